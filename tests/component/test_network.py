"""The compiled network on several threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

ATTEMPTS = 4

FIRST_PASSES = """
import sys
from threading import Barrier, Thread

import numpy as np

from services.analysis.encoder import MODEL_FOLDER
from services.analysis.network import Network

sys.setswitchinterval(1e-6)
network = Network(MODEL_FOLDER / "network.xml", threads=4, precision="auto")
gate = Barrier(network.calls)

def use():
    ids = np.ones((2, 8), dtype=np.int64)
    gate.wait()
    network(ids, ids, ids)

threads = [Thread(target=use) for _ in range(network.calls)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("all answered")
"""


def test_threads_that_use_the_network_of_a_new_process_at_once_all_get_their_answers() -> None:
    """Without a first pass alone, two in three attempts stand still for ever."""
    for _ in range(ATTEMPTS):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_PASSES], cwd=ROOT, timeout=30, capture_output=True, text=True, check=True
        )
        assert done.stdout == "all answered\n"
