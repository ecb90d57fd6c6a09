"""Names of tags and metrics on the tracking server: `tracking` writes them, `tracking` and `report` read them."""

# Tags. `KIND` distinguishes trainings from studies; `KEY` is a training's identity, `PRUNED_KEY` that of a stopped one.
KIND, KEY, PRUNED_KEY = "lrstudy.kind", "lrstudy.key", "lrstudy.pruned_key"
DATA_DIGEST, DEVICE, THREADS = "lrstudy.data_digest", "lrstudy.device", "lrstudy.threads"
PRECISION = "lrstudy.precision"
# The number of weights of the network.
NETWORK_WEIGHTS = "lrstudy.network_weights"
# How images are normalised for pretrained weights.
NORMALISATION = "lrstudy.normalisation"
# The version of the code that reads image files.
PREPROCESSING = "lrstudy.preprocessing"
VERSIONS, HARDWARE, UNCOMMITTED = "lrstudy.versions", "lrstudy.hardware", "lrstudy.git_uncommitted_changes"
# The machine of a cluster that a training ran on, unless it is the driver's.
MACHINE = "lrstudy.machine"
VERDICT = "lrstudy.verdict"
# The values of this tag for a training that has converged.
CONVERGED = ("good", "overfits")
# The run that a training was continued from.
CONTINUE_FROM = "lrstudy.continue_from"
# The process that owns a run, and the run of an interrupted start that this one has taken over.
OWNER, CONTINUES = "lrstudy.process", "lrstudy.continues"
# The SHA-256 digests of files of a training that are read back, and that of its logged model.
FILE_DIGESTS, MODEL_DIGEST = "lrstudy.file_digests", "lrstudy.model_digest"
# Of a study: its identity, its best run, and the prefix of the tag on runs that it reuses.
STUDY, BEST_RUN, USED_BY = "lrstudy.study", "lrstudy.best_run", "lrstudy.used_by"
# Of a decision whose budget was spent: the setting with which the same command continues.
LARGER_BUDGET = "lrstudy.larger_budget"
# Of a study with a report: the lines with the next command, which end its output.
NEXT_STEP = "lrstudy.next_step"
# Of a stopped trial: the study that stopped it.
SEARCH = "lrstudy.search"
# Of a reproduction: the run that it repeats, and its outcome.
REPRODUCES, REPRODUCTION = "lrstudy.reproduces", "lrstudy.reproduction"

# Of a registered model: its classes, the answer that led to it, how sure that is, and the address of the report.
CLASSES, ANSWER, ANSWER_CONFIDENCE, REPORT = "lrstudy.classes", "lrstudy.answer", "lrstudy.confidence", "lrstudy.report"

# After the setting that names a user's own file, the suffix of the parameter that holds its digest.
CODE = ".code"
# The parameter that holds the digest of the file of pretrained weights.
WEIGHTS_DIGEST = "weights.digest"

# MLflow's own tags; the first is the run's description in its UI.
DESCRIPTION, PARENT, COMMIT = "mlflow.note.content", "mlflow.parentRunId", "mlflow.source.git.commit"
ENTRY_POINT, LOGGED_ARTIFACTS = "mlflow.project.entryPoint", "mlflow.loggedArtifacts"
# MLflow's tag of a data set that a run used as its input: the name of the split.
DATA_CONTEXT = "mlflow.data.context"

# Artifacts of a training that the report reads: what the layers of its network respond to, and the images that it
# misclassifies.
LAYERS, MISTAKES = "layers.json", "mistakes.json"

# Before the names of the parameters that a study has chosen by itself: `chosen.epochs`.
CHOSEN = "chosen."

# Values of the tag `KIND`.
TRAINING, GRID, SEARCH_STUDY, DECISION, REPRODUCE = "train", "grid", "search", "decide", "reproduce"
CONTINUATION = "continue"
STUDY_KINDS = (GRID, SEARCH_STUDY, DECISION)

# Metrics per epoch that the report reads.
TRAIN_LOSS, VAL_LOSS = "train_loss", "val_loss"
CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
# The decimal logarithms of the losses per epoch, for the charts of MLflow's UI: their axes are linear, and one loss
# that explodes would flatten all others. The UI sorts groups of metrics by code points, so this one comes first.
LOG10_LOSSES = {"train_loss": "Log10 loss/train", "val_loss": "Log10 loss/val"}
# Causes, which are measured in some epochs, and which the report reads.
LR_OVER_CRITICAL, LR_OVER_BEST_STEP = "why/lr_over_critical", "why/lr_over_best_step"
NO_DESCENT, NO_RISE = "why/no_descent", "why/no_rise"
DEAD_UNITS, SATURATED = "why/dead_units", "why/saturated"
CAUSE_CURVES = (LR_OVER_CRITICAL, LR_OVER_BEST_STEP, NO_DESCENT, NO_RISE, DEAD_UNITS, SATURATED)
# Metrics that are logged once per run.
BEST_VAL_LOSS, BEST_VAL_ACCURACY, BEST_EPOCH = "best/val_loss", "best/val_accuracy", "best/epoch"
FINAL_TRAIN_LOSS, FINAL_VAL_LOSS, FINAL_VAL_ACCURACY = "final/train_loss", "final/val_loss", "final/val_accuracy"
BEST_VAL_BALANCED_ACCURACY, BEST_VAL_MACRO_F1 = "best/val_balanced_accuracy", "best/val_macro_f1"
BEST_VAL_LOSS_EMA, BEST_EPOCH_EMA = "best/val_loss_ema", "best/epoch_ema"
TEST_ACCURACY = "test/accuracy"
TRAIN_SECONDS = "time/train_seconds"
# Of a study: the seconds that its report took.
REPORT_SECONDS = "time/report_seconds"
FINAL, TEST, TIME, WHY = "final/", "test/", "time/", "why/"  # prefixes
