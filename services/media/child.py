"""`python -m services.media.child MEMORY SECONDS BYTES`: the decoding process. One task on stdin, a finding on stdout.

`services.media.sandbox` starts it for each upload, without secrets in its environment; it limits itself before it loads
what decodes. A crafted file can at most end it, or have it say something wrong about that file.
"""

from __future__ import annotations

import errno
import sys

from services.media.limits import Limits, apply


def main() -> None:
    """Do one task; nothing given on stdin asks only whether it can be started."""
    apply(Limits.parse(sys.argv[1:4]))
    # Only now: what is loaded is loaded within the limits.
    from av.error import FFmpegError  # noqa: PLC0415

    from services.media.decoding import found  # noqa: PLC0415
    from services.media.findings import Finding, Task  # noqa: PLC0415
    from services.media.reasons import Reason, Refused  # noqa: PLC0415

    given = sys.stdin.buffer.read()
    if not given:
        return
    try:
        finding = found(Task.model_validate_json(given))
    except Refused as refused:
        finding = Finding(refused=refused.reason)
    except MemoryError:
        finding = Finding(refused=Reason.TOO_MUCH_MEMORY)
    except (OSError, FFmpegError) as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        finding = Finding(disk_full=full, refused=None if full else Reason.NOT_READABLE)
    sys.stdout.write(finding.model_dump_json())


if __name__ == "__main__":
    main()
