"""How many processes train, and how they come to be: Accelerate's launcher, one process a GPU.

The processes run the stage itself, each with a rank; the first of them writes what the stage writes.
"""

import os
import subprocess
import sys
from pathlib import Path

import torch

from stages.lib.encoders.devices import claim_gpus
from stages.lib.exceptions import ConfigError, DeviceError
from stages.lib.training.batches import Share
from stages.lib.training.knobs import Params

LAUNCHING = "TEXTRAIL_LAUNCHING"  # in the environment of what a launcher starts
OUT_OF_MEMORY = 77  # exit status of a process that ran out of it, and has noted that more passes are needed


def is_launched() -> bool:
    """Whether this is one of several processes that a launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ


def end_if_orphaned(parent: int) -> None:
    """Where the stage that started this process was killed, nobody waits for it, and it holds a GPU."""
    if is_launched() and os.getppid() != parent:
        sys.exit("the stage that started this process is gone")


def share_of(passes: int) -> Share:
    if not is_launched():
        return Share(0, 1, passes)
    return Share(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), passes)


def processes_for(params: Params) -> int:
    """One a GPU: all of this machine, or as many as `processes` says; the GPUs are claimed.

    Without GPUs `auto` is one, which uses all cores. Raises ConfigError and DeviceError.
    """
    wanted = None if params.processes == "auto" else params.processes
    if params.loop == "plain":
        if wanted not in (None, 1):
            raise ConfigError(
                f"params.yaml: finetune.processes: found {wanted}, with loop: plain, which is one process; "
                "choose loop: accelerate or trainer, or processes: auto"
            )
        wanted = 1
    gpus = claim_gpus(wanted)
    return len(gpus) if gpus else wanted or 1


def launch(params: Params, processes: int) -> None:
    """Run this very command in so many processes and wait for them. Raises DeviceError where one fails."""
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    config = params.accelerate_config
    if config is not None and not Path(config).is_file():
        raise ConfigError(f"params.yaml: finetune.accelerate_config: {config}: no such file")
    if LAUNCHING in os.environ:
        raise ConfigError(
            f"{config}: it starts a single process, and finetune.processes asks for {processes}; its "
            "distributed_type should be MULTI_GPU or FSDP"
        )
    os.environ[LAUNCHING] = "1"
    if not torch.cuda.is_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"
    words = ["--config_file", config] if config else ["--multi_gpu", "--dynamo_backend", "no"]
    words += ["--num_processes", str(processes), "--num_machines", "1", "--main_process_port", "0"]
    words += ["--mixed_precision", "no"]  # the loops say which
    words += ["--num_cpu_threads_per_process", str(max(1, (os.cpu_count() or 1) // processes))]
    arguments = launch_command_parser().parse_args([*words, "-m", module_name(), *sys.argv[1:]])
    while True:
        try:
            launch_command(arguments)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if failure.exitcode == OUT_OF_MEMORY:
                continue
            raise _ended(f"process {rank} of {processes}", failure.exitcode) from None
        except subprocess.CalledProcessError as error:
            raise _ended("the one process that it started", error.returncode) from None
        return


def _ended(which: str, status: int) -> DeviceError:
    return DeviceError(f"{which} ended with status {status}; what it said stands above")


def module_name() -> str:
    spec = sys.modules["__main__"].__spec__
    return "stages.finetune" if spec is None else spec.name
