"""Presets held against what the authors ran, and what a configuration refuses."""

import dataclasses

import pytest

from classify.config import Config, recoveries
from classify.models import VARIANTS, make_model
from classify.networks import MODELS
from classify.presets import PRESETS
from harness import norm_names
from harness.config import choices_of
from tfnorm.functional import WHITENERS
from tfnorm.layers.sites import normalization_sites

SHAPES = {"cifar10": 3, "cifar100": 3, "mnist": 1, "digits": 1, "imagenet2012": 3}
CLASSES = {"cifar10": 10, "cifar100": 100, "mnist": 10, "digits": 10, "imagenet2012": 1000}

# By the beginning of their names: what all presets of a family share.
FAMILIES = {
    "cifar10": {
        "input_scaling": "pixel_variance",
        "augmentation": "shift_flip",
        "model": "resnet_cifar",
        "width": 16,
        "epochs": 200,
        "learning_rate": 0.05,
        "schedule": "steps",
        "sgd_momentum": 0.9,
        "nesterov": True,
        "weight_decay": 1e-3,  # Keras' l2(5e-4)
        "decayed": "kernels",
        "epsilon": 1e-3,
        "norm_momentum": 0.99,
        "recovery": "scale_shift",
    },
    "cifar10_vgg19": {
        "dataset": "cifar10",
        "input_scaling": "channel_std",
        "augmentation": "crop_flip",
        "model": "vgg",
        "depth": 19,
        "width": 64,
        "epochs": 160,
        "batch_size": 256,
        "learning_rate": 0.1,
        "schedule": "steps",
        "sgd_momentum": 0.9,
        "nesterov": False,
        "weight_decay": 0.0,
        "norm_momentum": 0.9,
        "recovery": "scale_shift",
        "iterations": 5,
    },
    "mnist_mlp": {
        "dataset": "mnist",
        "input_scaling": "symmetric",
        "augmentation": "none",
        "model": "mlp",
        "variant": "plain",
        "depth": 4,
        "width": 256,
        "epochs": 120,
        "batch_size": 1024,
        "learning_rate": 1.0,
        "schedule": "steps",
        "sgd_momentum": 0.0,
        "weight_decay": 0.0,
        "norm_momentum": 0.9,
        "recovery": "none",
    },
    "imagenet": {
        "dataset": "imagenet2012",
        "image_size": 224,
        "test_split": "validation",
        "input_scaling": "imagenet",
        "augmentation": "resized_crop_flip",
        "model": "resnet_imagenet",
        "width": 64,
        "epochs": 100,
        "batch_size": 256,
        "learning_rate": 0.1,
        "sgd_momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "decayed": "all",
        "norm_momentum": 0.9,
        "recovery": "scale_shift",
    },
}
FAMILIES["cifar100"] = FAMILIES["cifar10"]

# What of these is in the name.
NAMED = {
    "cifar10_resnet110_unitization": {
        "dataset": "cifar10",
        "depth": 110,
        "norm": "unitization",
        "variant": "plain",
        "batch_size": 128,
    },
    "cifar100_resnet110_unitization": {"dataset": "cifar100", "depth": 110, "norm": "unitization"},
    "cifar100_resnet164_bn": {
        "dataset": "cifar100",
        "depth": 164,
        "norm": "bn",
        "variant": "bottleneck",
        "batch_size": 64,
    },
    "cifar10_resnet110_gn_c8_batch2": {"norm": "gn", "group_size": 8, "batch_size": 2},
    "cifar10_resnet110_gn_g16_batch2": {"norm": "gn", "groups": 16, "batch_size": 2},
    "cifar10_vgg19_itn_g64": {"norm": "itn", "group_size": 64, "estimate": "covariance"},
    "cifar10_vgg19_pca_g512_matrix": {"norm": "pca", "group_size": 512, "estimate": "matrix"},
    "mnist_mlp_zca": {"norm": "zca", "group_size": None, "estimate": "covariance"},
    "mnist_mlp_cd_g16_matrix": {"norm": "cd", "group_size": 16, "estimate": "matrix"},
    "imagenet_resnet18_arc_a_zca_g16": {"depth": 18, "variant": "arc_a", "norm": "zca"},
    "imagenet_resnet50_arc_c_itn_g256": {
        "depth": 50,
        "variant": "arc_c",
        "norm": "itn",
        "group_size": 256,
        "estimate": "covariance",
        "schedule": "steps",
    },
    "imagenet_resnet50_bn_cosine": {"variant": "plain", "norm": "bn", "schedule": "cosine"},
}


def family(name):
    return max((each for each in FAMILIES if name.startswith(each)), key=len, default=None)


def test_a_preset_is_its_familys():
    for name, config in PRESETS.items():
        for field, value in FAMILIES.get(family(name), {}).items():
            assert getattr(config, field) == value, (name, field)
        if family(name) not in ("cifar10", "cifar100", None):
            assert config.epsilon == (1e-5 if config.norm in ("bn", "itn") else 1e-3), name
    assert [name for name in PRESETS if family(name) is None] == ["quickstart"]


@pytest.mark.parametrize("name", NAMED)
def test_a_preset_is_what_its_name_says(name):
    config = dataclasses.asdict(PRESETS[name])
    assert {field: config[field] for field in NAMED[name]} == NAMED[name]


def test_there_are_the_rows_of_the_papers():
    def count(beginning):
        return sum(name.startswith(beginning) for name in PRESETS)

    # Table 1 of unitization's supplement; E2's six sizes of four methods with two estimates, and
    # BN; E1's full groups and groups of 16.
    assert sum(name.endswith("_batch2") for name in PRESETS) == 12
    assert count("cifar10_vgg19_") == 6 * 4 * 2 + 1
    assert count("mnist_mlp_") == 2 * 4 * 2 + 1
    # Table I of batch whitening's supplement: five rows, by steps and by the cosine.
    assert count("imagenet_resnet50_") == 5 * 2
    # E3: ARC_A of four methods, and ARC_B of CD, with two estimates; ItN's two in ARC_B and ARC_C;
    # CD's two in ARC_C without the last layer; and BN.
    assert count("imagenet_resnet18_") == 4 * 2 + 2 + 2 + 2 + 2 + 1
    assert sum(name.endswith("_cosine") for name in PRESETS) == 5
    whitened = [config for config in PRESETS.values() if config.norm in WHITENERS]
    assert {config.estimate for config in whitened} == {"covariance", "matrix"}


def networks():
    """A preset of each architecture, and of each normalization of the quick ones."""
    found = {}
    for name, config in PRESETS.items():
        quick = config.model == "mlp" or name.endswith("_batch2")
        norm = (config.norm, config.groups, config.group_size) if quick else None
        depth = None if config.model == "resnet_cifar" else config.depth
        found.setdefault((config.model, config.variant, depth, norm), name)
    return found.values()


def test_there_is_a_network_of_each_depth():
    for config in PRESETS.values():
        arguments = {"bottleneck": True} if config.variant == "bottleneck" else {}
        MODELS[config.model].check(depth=config.depth, width=config.width, **arguments)


@pytest.mark.parametrize("name", networks())
def test_a_presets_network_is_built(name):
    config = PRESETS[name]
    if config.model == "resnet_cifar":  # of three blocks: more are more of the same
        config = dataclasses.replace(config, depth=11 if config.variant == "bottleneck" else 8)
    elif config.model != "mlp":
        config = dataclasses.replace(config, width=8)
    size = 32 if config.image_size is None else min(config.image_size, 32)
    model = make_model(config, (size, size, SHAPES[config.dataset]), CLASSES[config.dataset])
    assert model.output_shape == (None, CLASSES[config.dataset])
    sites = normalization_sites(model)
    kinds = [site.kind for site in sites]
    assert config.norm in kinds
    assert set(kinds) <= {config.norm, "bn"}
    assert (len(set(kinds)) == 2) == config.variant.startswith("arc_")


REFUSED = {
    "image_size": [0],
    "train_size": [0, -1],
    "depth": [0],
    "width": [0],
    "group_size": [0],
    "groups": [-2],
    "iterations": [0],
    "steps": [0],
    "batch_size": [0],
    "log_every": [0],
    "eval_every": [0],
    "checkpoint_every": [0],
    "learning_rate": [0.0, -0.1, float("nan"), float("inf")],
    "epochs": [0.0, float("nan"), float("inf")],
    "decay_rate": [0.0, float("inf")],
    "sgd_momentum": [1.0, -0.1, float("nan")],
    "weight_decay": [-1e-4, float("nan"), float("inf")],
    "seed": [-1, 2**31],
    "decay_at": ["", "a", "0", "1", "1/0", "0.5,0.5", "0.6,0.3", "60", "1/3,"],
    "keep_checkpoints": [0],
    "epsilon": [-1e-3, float("nan"), float("inf")],
    "norm_momentum": [-0.1, 1.1, float("nan")],
    "input_scaling": ["std"],
    "augmentation": ["crop"],
    "model": ["lenet"],
    "variant": ["arc_z"],
    "norm": ["layer"],
    "recovery": ["shift", "factorized_coloring"],  # which is of labels
    "estimate": ["mean"],
    "device": ["tpu"],
    "schedule": ["linear"],
    "decayed": ["biases"],
    "strategy": ["parallel"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_configuration_refuses_what_cannot_be(name):
    for value in REFUSED[name]:
        with pytest.raises(ValueError) as refused:
            Config(**{name: value})
        assert f"Received: {name}={value!r}" in str(refused.value)


def test_nesterov_needs_a_momentum():
    with pytest.raises(ValueError, match="Received: nesterov=True, sgd_momentum=0.0"):
        Config(sgd_momentum=0.0)
    assert Config(sgd_momentum=0.0, nesterov=False).nesterov is False


def test_what_may_be_none_is():
    nothing = dict.fromkeys(("image_size", "train_size", "group_size", "groups", "steps"))
    assert dataclasses.asdict(Config(**nothing)).items() >= nothing.items()


def test_what_is_free_to_change():
    periods = ("log_every", "eval_every", "checkpoint_every")
    free = ("data_dir", "fold", "keep_checkpoints", "worker_timeout", *periods)
    assert sorted(Config.free()) == sorted(free)


def small_model(**fields):
    config = dataclasses.replace(PRESETS["quickstart"], width=8, group_size=4, **fields)
    return make_model(config, (32, 32, 3), 4)


DEPTHS = {"mlp": 1, "vgg": 19, "resnet_cifar": 20, "resnet_imagenet": 18}


@pytest.mark.parametrize("model", MODELS)
def test_each_variant_is_of_some_models_and_refused_of_others(model):
    """A configuration takes the variants of all models: it does not know whose they are."""
    for variant in {name for variants in VARIANTS.values() for name in variants}:
        fields = {"model": model, "variant": variant, "depth": DEPTHS[model]}
        if variant in VARIANTS[model]:
            assert small_model(**fields).output_shape == (None, 4)
        else:
            with pytest.raises(ValueError, match=f"of {model} .* Received: variant='{variant}'"):
                small_model(**fields)


def test_another_recovery_is_a_choice_by_itself(monkeypatch):
    there = norm_names.recoveries()
    monkeypatch.setattr(norm_names, "recoveries", lambda: (*there, "rotation"))
    choices = choices_of(Config.__dataclass_fields__["recovery"])
    assert choices == ("none", "scale_shift", "coloring", "rotation")


@pytest.mark.parametrize("recovery", recoveries())
def test_each_recovery_is_of_networks_without_labels(recovery):
    (site,) = normalization_sites(small_model(depth=1, recovery=recovery))
    known = {"none": "", "scale_shift": "gamma and beta", "coloring": "coloring"}
    assert (site.recovery or "") == known[recovery]
