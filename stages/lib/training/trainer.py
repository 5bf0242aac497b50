"""transformers' Trainer, on the batches and with the loss, optimizer and schedule of the loop by hand."""

from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments

from stages.lib.training.batches import seed_step
from stages.lib.training.checkpoints import journal_of
from stages.lib.training.losses import weighted_loss
from stages.lib.training.optimization import make_optimizer, make_schedule
from stages.lib.training.session import Session, score


class BatchTrainer(Trainer):  # type: ignore[misc]  # transformers has no types here
    loss_is_scaled_for_ga = True  # the weights of a step's passes add up to one

    def __init__(self, session: Session) -> None:
        self.session = session
        super().__init__(
            model=session.model,
            args=arguments(session),
            train_dataset=session.loader.dataset,
            callbacks=[Steps(self)],
        )
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)

    def get_train_dataloader(self) -> Any:
        return self.session.loader

    optimizer: Any

    def create_optimizer(self, model: Any = None) -> Any:
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.model if model is None else model, self.session.params)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        self.lr_scheduler = make_schedule(
            optimizer or self.optimizer, self.session.params, num_training_steps
        )
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], *_: Any, **__: Any) -> torch.Tensor:
        loss = weighted_loss(self.session.kind, self.session.params.label_smoothing, model, inputs)
        self.session.journal.add_loss(loss)
        processes: int = self.accelerator.num_processes
        return loss * processes  # of which DDP takes the mean

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        with self.accelerator.autocast():
            return score(
                self.session,
                self.accelerator.unwrap_model(self.model_wrapped),
                lambda: self.accelerator.get_state_dict(self.model_wrapped),
                whole=self.is_fsdp_enabled,
            )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        journal = self.session.journal
        with self.session.checkpoints.saving(journal.step, journal.state()):  # the folder that Trainer writes
            super()._save_checkpoint(model, trial)


class Steps(TrainerCallback):  # type: ignore[misc]
    """Tells the journal of every step, and the Trainer what is due after it."""

    def __init__(self, trainer: BatchTrainer) -> None:
        self.trainer, self.session = trainer, trainer.session

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.session.batches.epoch = state.global_step // self.session.batches.steps_per_epoch

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        seed_step(self.session.params.seed, state.global_step, args.process_index)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.learning_rate = self.trainer.lr_scheduler.get_last_lr()[0]

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        journal = self.session.journal
        journal.step_done(self.learning_rate)
        if journal.epoch_is_over:
            self.trainer.evaluate()
        control.should_save = journal.checkpoint_is_due and not journal.is_over
        control.should_training_stop = journal.is_over


def arguments(session: Session) -> TrainingArguments:
    _, processes, passes = session.batches.share
    return TrainingArguments(
        output_dir=str(session.checkpoints.folder),
        seed=session.params.seed,
        num_train_epochs=session.params.epochs,
        per_device_train_batch_size=max(1, session.batches.batch_size // processes // passes),
        gradient_accumulation_steps=passes,
        max_grad_norm=session.params.max_gradient_norm,
        eval_strategy="no",  # Steps says when
        save_strategy="no",
        logging_strategy="no",
        bf16=session.precision == "bf16",
        fp16=session.precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,  # as Accelerate has it
        disable_tqdm=True,
        report_to="none",
    )


def train_with_trainer(session: Session) -> dict[str, Any]:
    """The trained weights."""
    newest = session.checkpoints.newest()
    session.journal.begin(None if newest is None else journal_of(newest))
    trainer = BatchTrainer(session)
    trainer.train(resume_from_checkpoint=None if newest is None else str(newest))
    return dict(trainer.accelerator.get_state_dict(trainer.model_wrapped))
