"""What each part of a deployment reads from its environment, by the code that reads it."""

from __future__ import annotations

import importlib

import click

from deploy.bucket import command as make_bucket
from deploy.connection import VARIABLES
from deploy.create_topics import command as create_topics
from deploy.provision import command as provision
from shared.settings import ServiceSettings
from tests.unit.deployment_files import services


def settings_of(service: str) -> type[ServiceSettings]:
    """The settings class of a service."""
    module = importlib.import_module(f"services.{service}.settings")
    model: type[ServiceSettings] = getattr(module, f"{service.title()}Settings")
    return model


def options_of(command: click.Command) -> set[str]:
    """The variables that a command's options read."""
    return {str(option.envvar) for option in command.params if isinstance(option, click.Option) and option.envvar}


def variables_of(container: str) -> set[str]:
    """The variables of ours that what runs in a container reads."""
    common = {f"HEED_{name.upper()}" for name in ServiceSettings.model_fields}
    if container in services():
        return {f"HEED_{name.upper()}" for name in settings_of(container).model_fields}
    if container == "topics":
        return common | options_of(create_topics)
    if container == "provision":
        return options_of(provision)
    if container == "bucket":
        return options_of(make_bucket)
    if container == "accounts":
        return {f"HEED_{account.upper()}_KAFKA_PASSWORD" for account in ["admin", *services()]}
    return common | set(VARIABLES.values()) | {"HEED_CATALOGUE"} if container == "tools" else set()
