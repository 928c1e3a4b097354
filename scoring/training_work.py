"""The work on trainings that were asked for: one is claimed, trained and ended. Done by workers, never by the web."""

from functools import partial

from customers import history
from scoring import training, training_queue
from scoring.models import ModelVersion, TrainingRun
from scoring.targets import TargetError
from scoring.training_queue import TrainingLost
from scoring.training_set import TrainingRefused


def work() -> TrainingRun | None:
    """Do the training that has waited longest; give it as it ended. None where there is none to do."""
    run = training_queue.claim()
    if run is None:
        return None
    try:
        made = _made_before(run) or _trained(run)
    except (TargetError, TrainingRefused) as error:
        training_queue.refuse(run, str(error))
    except TrainingLost:
        run.refresh_from_db()
    except BaseException as error:
        training_queue.fail(run, f"{type(error).__name__}: {error}")
        raise
    else:
        training_queue.finish(run, made)
    return run


def _trained(run: TrainingRun) -> ModelVersion:
    training_queue.tell(run, "Reads what is new", 0.0)
    history.sync()
    return training.train(run.target, run.as_of, run.seed, partial(training_queue.tell, run))


def _made_before(run: TrainingRun) -> ModelVersion | None:
    """Give the version that a worker before had stored when it was lost: training again would give the same."""
    made = run.target.versions.filter(as_of=run.as_of, seed=run.seed, is_baseline=False)
    return made.order_by("number").last() if run.attempts > 1 else None
