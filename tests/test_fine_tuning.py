"""Fine-tuning: pretrained weights, a new last layer, frozen backbones."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.vision_transformer import VisionTransformer

from lrstudy.cli.command_line import parse
from lrstudy.errors import SettingsError
from lrstudy.networks import Shape, build_model
from lrstudy.pretrained import PretrainedWeights, find_weights
from lrstudy.settings import TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training import artifacts, setup
from lrstudy.training.fine_tuning import find_head, load_backbone
from lrstudy.training.progress import initial_progress, track_best
from lrstudy.training.setup import TrainingSetup
from studies import only_run, run_train
from test_reproduce import change, reproduce

HIDDEN = (8,)
HEADS = {
    "fc": ["resnet18", "googlenet", "inception_v3", "shufflenet_v2_x0_5"],
    "classifier": ["densenet121"],
    "classifier.1": ["squeezenet1_1", "efficientnet_b0", "mnasnet0_5", "mobilenet_v2"],
    "classifier.2": ["convnext_tiny"],
    "classifier.3": ["mobilenet_v3_small"],
    "classifier.5": ["maxvit_t"],
    "classifier.6": ["alexnet", "vgg11_bn"],
    "head": ["swin_t"],
    "heads.head": ["vit_b_32"],
}
# A network of the user with batch normalisation and dropout.
CODE = """
from torch import nn

def build(channels, side, classes):
    pixels = channels * side**2
    return nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, classes)
    )
"""


def saved(network: nn.Module, path: Path) -> Path:
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    """The file of an mlp for digits, but with another number of classes."""
    torch.manual_seed(1)
    return saved(build_model("mlp", Shape(1, 8, 4), HIDDEN), tmp_path / "mlp.pt")


@pytest.fixture
def with_batch_norm(tmp_path: Path) -> tuple[str, Path]:
    """A network of the user, and a file of its weights after some steps."""
    (tmp_path / "mine.py").write_text(CODE)
    model = f"{tmp_path}/mine.py:build"
    network = build_model(model, Shape(1, 8, 4), HIDDEN)
    network(torch.rand(20, 1, 8, 8))  # which moves the running statistics
    return model, saved(network, tmp_path / "mine.pt")


def made(**changes: Any) -> TrainingSetup:
    plain = {"epochs": 2, "hidden": HIDDEN, "lr": 0.05, "threads": 1, "batch_size": 512}
    return setup.build(planned(TrainSettings(**(plain | {name: str(value) for name, value in changes.items()}))))


def train(training: TrainingSetup) -> None:
    for _ in track_best(training, initial_progress(training), training.epochs()):
        pass


def of_file(path: Path, model: str) -> PretrainedWeights:
    return PretrainedWeights(str(path), model, path)


@pytest.mark.parametrize(("head", "name"), [(head, name) for head, names in HEADS.items() for name in names])
def test_the_last_layer_of_each_family_is_found_by_its_name(head: str, name: str) -> None:
    sizes: dict[str, Any] = {"maxvit_t": {"input_size": (224, 224)}}.get(name, {})
    sizes |= {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        assert find_head(models.get_model(name, num_classes=7, **sizes), 7) == head


def test_a_grey_image_has_the_activations_of_the_same_image_on_three_channels(tmp_path: Path) -> None:
    theirs = models.squeezenet1_1(weights=None).eval().double()
    ours = build_model("squeezenet1_1", Shape(1, 64, 7), HIDDEN).eval().double()
    load_backbone(ours, of_file(saved(theirs, tmp_path / "colour.pt"), "squeezenet1_1"), "classifier.1")
    image = torch.randn(2, 1, 64, 64, dtype=torch.float64)
    features = ours.get_submodule("features")(image)
    torch.testing.assert_close(features, theirs.features(image.expand(2, 3, 64, 64)))


def test_all_layers_but_the_last_have_the_files_weights_and_the_last_is_drawn_by_the_seed(mlp: Path) -> None:
    file, fine_tuned, scratch = torch.load(mlp), made(weights=mlp).network, made().network
    weights, initial = fine_tuned.state_dict(), scratch.state_dict()
    assert torch.equal(weights["1.weight"], file["1.weight"])
    assert torch.equal(weights["3.weight"], initial["3.weight"])
    assert weights["3.weight"].shape == (10, 8) != file["3.weight"].shape
    assert made(weights=mlp, seed=5).network.state_dict()["3.weight"].ne(initial["3.weight"]).any()


def test_auxiliary_classifiers_in_a_file_are_passed_over(tmp_path: Path) -> None:
    with_auxiliary = models.googlenet(weights=None, aux_logits=True, init_weights=False)
    network = build_model("googlenet", Shape(3, 64, 7), HIDDEN)
    load_backbone(network, of_file(saved(with_auxiliary, tmp_path / "aux.pt"), "googlenet"), "fc")
    assert torch.equal(network.state_dict()["conv1.conv.weight"], with_auxiliary.state_dict()["conv1.conv.weight"])


def test_weights_of_densenet_have_the_names_of_torchvisions_files(tmp_path: Path) -> None:
    network = models.DenseNet(4, (2, 1), 8, num_classes=7)
    names = {name: re.sub(r"(denselayer\d+\.\w+)([12]\.)", r"\1.\2", name) for name in network.state_dict()}
    in_file = {names[name]: torch.rand_like(value.float()) for name, value in network.state_dict().items()}
    assert "features.denseblock1.denselayer2.norm.1.weight" in in_file
    without_counters = {name: value for name, value in in_file.items() if not name.endswith("num_batches_tracked")}
    torch.save(without_counters, tmp_path / "dense.pt")
    load_backbone(network, of_file(tmp_path / "dense.pt", "densenet121"), "classifier")
    layer = network.features.denseblock1.denselayer2
    assert torch.equal(layer.norm1.weight, in_file["features.denseblock1.denselayer2.norm.1.weight"])


def test_a_vision_transformers_positions_are_interpolated_to_the_size_of_the_images(tmp_path: Path) -> None:
    def transformer(side: int) -> VisionTransformer:
        return VisionTransformer(side, 8, 1, 2, 16, 16, num_classes=7)

    theirs, ours = transformer(32), transformer(16)
    load_backbone(ours, of_file(saved(theirs, tmp_path / "vit.pt"), "vit_b_16"), "heads.head")
    positions = theirs.encoder.pos_embedding
    assert torch.equal(ours.encoder.pos_embedding[:, 0], positions[:, 0])  # that of the class
    grid = positions[:, 1:].reshape(1, 4, 4, 16)
    corner = ours.encoder.pos_embedding[:, 1:].reshape(1, 2, 2, 16)[:, 1, 1]
    torch.testing.assert_close(corner, grid[:, 3, 3])


@pytest.mark.parametrize("head_lr", ["1", "10"])
def test_a_frozen_backbone_keeps_its_weights_and_running_statistics_and_the_last_layer_learns(
    with_batch_norm: tuple[str, Path], head_lr: str
) -> None:
    model, path = with_batch_norm
    frozen = {"freeze": "backbone"} if head_lr == "1" else {"head_lr": head_lr}
    training = made(model=model, weights=path, **frozen)
    train(training)
    file, after = torch.load(path), training.network.state_dict()
    same = {name for name, value in after.items() if value.shape == file[name].shape and torch.equal(value, file[name])}
    is_backbone = {name for name in after if not name.startswith("5.")}
    assert same == (is_backbone if head_lr == "1" else set())
    assert not torch.equal(after["5.weight"], made(model=model, weights=path).network.state_dict()["5.weight"])


def test_the_features_of_a_frozen_backbone_are_those_of_evaluation(with_batch_norm: tuple[str, Path]) -> None:
    model, path = with_batch_norm
    training = made(model=model, weights=path, freeze="backbone", lr=1e-30, epochs=1)
    untrained, trained = training.epochs()
    assert trained.train_loss == pytest.approx(untrained.train_loss, rel=1e-5)


def test_the_last_layer_has_its_factor_of_the_learning_rate_over_the_whole_schedule(mlp: Path) -> None:
    training = made(weights=mlp, head_lr=10, schedule="cosine", epochs=4)
    records = list(training.epochs())
    backbone, head = training.optimizer.param_groups
    assert head["lr"] == pytest.approx(10 * backbone["lr"])
    assert records[-1].learning_rate == backbone["lr"] < records[0].learning_rate == 0.05
    assert [weight.shape for weight in head["params"]] == [(10, 8), (10,)]


def test_the_content_of_the_weights_is_part_of_a_trainings_identity_and_their_place_is_not(
    mlp: Path, tmp_path: Path
) -> None:
    moved, other = tmp_path / "moved.pt", tmp_path / "other.pt"
    moved.write_bytes(mlp.read_bytes())
    saved(build_model("mlp", Shape(1, 8, 4), HIDDEN), other)
    keys = [made(weights=path).plan.specification.key for path in (mlp, moved, other)]
    assert keys[0] == keys[1] != keys[2]
    assert made().plan.specification.key not in keys
    digest = hashlib.sha256(mlp.read_bytes()).hexdigest()
    assert made(weights=mlp).plan.specification.params["weights.digest"] == digest


def test_torchvisions_weights_are_taken_from_the_cache_of_torch_hub_with_their_normalisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    entry = models.SqueezeNet1_1_Weights.DEFAULT
    path = tmp_path / "hub" / "checkpoints" / entry.url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    network = models.squeezenet1_1(weights=None)
    saved(network, path)
    training = made(model="squeezenet1_1", weights="default", image_size=32)
    plan = training.plan
    name = "features.3.squeeze.weight"
    assert torch.equal(training.network.state_dict()[name], network.state_dict()[name])
    grey = (0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3
    assert [255 * value for value in grey] == pytest.approx([*plan.normalisation[0], *plan.normalisation[1]])
    assert training.classifier.normalise.mean.item() == pytest.approx(plan.normalisation[0][0])
    assert "mean 0.449 and the deviation 0.226" in plan.specification.tags["lrstudy.normalisation"]
    assert plan.model_inputs.mean == plan.normalisation[0]
    assert find_weights("IMAGENET1K_V1", "squeezenet1_1").path == path
    mean, std = find_weights("default", "squeezenet1_1").normalisation(3) or ((), ())
    assert (mean, std) == ((255 * 0.485, 255 * 0.456, 255 * 0.406), (255 * 0.229, 255 * 0.224, 255 * 0.225))


def test_weights_of_ones_own_take_images_normalised_by_the_data(mlp: Path) -> None:
    plan = made(weights=mlp).plan
    assert plan.normalisation == (plan.data.mean, plan.data.std)
    assert plan.specification.tags["lrstudy.normalisation"] == "by the mean and deviation of the training images"
    assert "lrstudy.normalisation" not in made().plan.specification.tags


def test_without_a_network_one_sentence_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(SettingsError) as raised:
        find_weights("default", "resnet18")
    url = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert str(raised.value).endswith(f"put {url} at {tmp_path}/hub/checkpoints/resnet18-f37072fd.pth.")
    assert "\n" not in str(raised.value)


def test_weights_of_another_architecture_are_rejected_by_the_names_of_the_layers(mlp: Path, tmp_path: Path) -> None:
    other = saved(build_model("mlp", Shape(1, 8, 4), (8, 6)), tmp_path / "deeper.pt")
    with pytest.raises(SettingsError, match=r"does not fit model='mlp': the network lacks 5"):
        made(weights=other)
    wide = saved(build_model("mlp", Shape(1, 8, 4), (16,)), tmp_path / "wide.pt")
    with pytest.raises(SettingsError, match=r"the shapes of 1 differ \(1.weight: 16×64 in the file and 8×64 in"):
        made(weights=wide)
    with pytest.raises(SettingsError, match="fit model='cnn': the file lacks 0 and 4; the network lacks 1 and 3"):
        made(weights=mlp, model="cnn")


@pytest.mark.parametrize("content", [b"", b"no weights", "a list", "other objects"])
def test_a_file_that_is_not_a_state_dict_is_rejected_and_its_code_is_not_run(
    tmp_path: Path, content: bytes | str
) -> None:
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save([torch.zeros(1)] if content == "a list" else nn.Linear(1, 1), path)
    with pytest.raises(SettingsError, match=r"is not a state dict that torch\.load reads with weights_only=True"):
        made(weights=path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"freeze": "backbone"}, "freeze='backbone' has no effect without pretrained weights"),
        ({"head_lr": "10"}, "head_lr='10' has no effect without pretrained weights"),
        ({"head_lr": "0", "weights": "FILE"}, "head_lr='0' must be"),
        ({"freeze": "head", "weights": "FILE"}, "freeze='head' must be 'none' or 'backbone'"),
        ({"freeze": "backbone", "head_lr": "10", "weights": "FILE"}, "head_lr='10' has no effect beside freeze="),
        ({"weights": "default"}, "weights='default': torchvision has no weights for model='mlp'"),
        ({"weights": "none.pt"}, "weights='none.pt': there is no file '.*none.pt'."),
        ({"weights": "IMAGENET1K_V3", "model": "resnet50"}, "are called default, IMAGENET1K_V1 or IMAGENET1K_V2."),
        ({"weights": "default", "model": "timm:vit_tiny"}, "torchvision has no weights for model='timm:vit_tiny'"),
    ],
)
def test_settings_that_contradict_each_other_are_rejected(mlp: Path, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse(TrainSettings, [f"--{name}={mlp if value == 'FILE' else value}" for name, value in changes.items()])


@pytest.mark.usefixtures("tracking_uri")
def test_a_fine_tuned_training_is_reproduced_from_the_same_file_alone(
    mlp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_train("--epochs=2", "--hidden=8", f"--weights={mlp}", "--head_lr=4")
    run = only_run()
    code, printed = reproduce(run.info.run_id, capsys)
    assert (code, "identical: " in printed) == (0, True), printed
    change("update params set value = 'another digest' where key = 'weights.digest'")
    with pytest.raises(SettingsError, match=f"{mlp} differs from the file that the run began from, .* another digest"):
        reproduce(run.info.run_id, capsys)


def test_the_average_of_frozen_weights_is_the_weights(with_batch_norm: tuple[str, Path]) -> None:
    model, path = with_batch_norm
    training = made(model=model, weights=path, freeze="backbone", ema=0.9)
    train(training)
    assert training.average is not None
    assert torch.equal(training.average.network.state_dict()["1.weight"], torch.load(path)["1.weight"])
    assert artifacts.weights_file(training.average.network) != artifacts.weights_file(training.network)
