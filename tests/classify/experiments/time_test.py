"""The experiment with time, at a size of which the numbers mean nothing."""

import csv
import dataclasses
import json

import pytest
import tensorflow as tf

from classify import presets
from classify.experiments import gain, time, timed
from harness.errors import UserError
from harness.experiments.experiment import Outcome
from harness.experiments.report import Report
from harness.run.directory import RunDirectory

SIZES = (16, 32, 64, 128, 256, 512)
GROUPED = {f"{method}-{size}" for method in ("itn", "zca", "cd") for size in SIZES}


def timings(**options):
    return {job.name: job.config for job in time.jobs(time.EXPERIMENT.request(**options))}


def test_the_runs_are_the_papers_networks_and_ours():
    found = timings()
    assert list(found) == ["vgg19", "resnet18", "resnet50", "resnet110", "resnet8", "mlp"]
    norms = {arch: config.norms.split(",") for arch, config in found.items()}
    assert all(each[:2] == ["bn", "none"] for each in norms.values())
    rest = {arch: set(each[2:]) for arch, each in norms.items()}
    assert rest == {
        "vgg19": GROUPED,
        "resnet18": GROUPED,
        "resnet50": {"itn-64", "itn-256"},
        "resnet110": {"unitization"},
        "resnet8": set(gain.NORMS) - {"bn"},
        "mlp": set(gain.NORMS) - {"bn"},
    }
    fields = ("width", "image_size", "batch_size", "rounds")
    sizes = {arch: tuple(getattr(found[arch], name) for name in fields) for arch in found}
    assert sizes == {
        "vgg19": (64, 32, 256, 100),
        "resnet18": (64, 224, 256, 100),
        "resnet50": (64, 224, 256, 100),
        "resnet110": (16, 32, 128, 100),
        "resnet8": (16, 32, 64, 100),
        "mlp": (256, 28, 256, 100),
    }


def test_a_step_is_a_step_of_the_presets():
    for arch, depth in (("resnet18", 18), ("resnet50", 50)):
        configs = timings()[arch].configs()
        assert {variant for norm, variant in configs if norm in ("bn", "none")} == {"plain"}
        assert {variant for norm, variant in configs if "-" in norm} == {"arc_b", "arc_c"}
        same = ("model", "depth", "variant", "norm", "group_size", "batch_size", "weight_decay")
        preset = presets.PRESETS[f"imagenet_resnet{depth}_arc_c_itn_g256"]
        config = configs["itn-256", "arc_c"]
        assert [getattr(config, name) for name in same] == [getattr(preset, name) for name in same]
    preset = presets.PRESETS["cifar10_resnet110_unitization"]
    config = timings()["resnet110"].configs()["unitization", "plain"]
    assert config == dataclasses.replace(preset, image_size=32, learning_rate=timed.LEARNING_RATE)


def test_each_published_second_is_of_a_step_that_is_timed():
    for arch, published in timed.PUBLISHED.items():
        timed_steps = timings()[arch].configs().keys()
        assert timed_steps - published.seconds.keys() == {("none", "plain")}
        assert published.seconds.keys() <= timed_steps


def test_the_papers_seconds():
    vgg, resnet = (timed.PUBLISHED[name].seconds for name in ("vgg19", "resnet50"))
    assert len(vgg) == 19 and vgg["bn", "plain"] == 0.049
    assert [vgg[f"{method}-16", "plain"] for method in ("itn", "zca", "cd")] == [0.624, 2.245, 9.8]
    assert [vgg[f"{method}-512", "plain"] for method in ("itn", "zca", "cd")] == [
        0.106,
        0.512,
        0.793,
    ]
    assert vgg["zca-128", "plain"] == 0.498 and vgg["cd-64", "plain"] == 2.391
    assert list(resnet.values()) == [0.418, 0.464, 0.546, 0.522, 0.662]


def test_the_flags_choose():
    (config,) = timings(archs=["resnet50"], norms=["gn-16", "bn"], scale="small", rounds=3).values()
    assert config.norms == "bn,none,gn-16"
    assert (config.rounds, config.width, config.image_size, config.batch_size) == (3, 64, 64, 8)
    of_gn = config.configs()["gn-16", "arc_b"]
    assert (of_gn.norm, of_gn.group_size) == ("gn", 16)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"norms": ["layer"]}, ValueError, "Received: norm='layer'"),
        ({"norms": ["unitization-16"]}, ValueError, "Received: norm='unitization-16'"),
        ({"archs": ["resnet34"]}, UserError, "Received: archs=resnet34"),
    ],
)
def test_what_there_is_not_is_refused(options, error, said):
    with pytest.raises(error, match=said):
        timings(**options)


@pytest.mark.parametrize("fields", [{"image_size": None}, {"batch_size": 0}])
def test_a_size_that_there_is_not_is_refused(fields):
    ((name, value),) = fields.items()
    with pytest.raises(ValueError, match=f"Received: {name}={'none' if value is None else value}"):
        timings(overrides=fields)


def test_a_network_that_there_is_not_is_a_users_mistake(tmp_path):
    (job,) = time.jobs(time.EXPERIMENT.request(archs=["vgg19"], overrides={"image_size": 16}))
    with pytest.raises(UserError, match="at least 32 x 32"):
        time.carry_out(job.config, RunDirectory(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def row(norm, seconds, ratio, share, variant="plain"):
    return {
        "norm": norm,
        "variant": variant,
        "seconds": seconds,
        "ratio": ratio,
        "share": share,
    }


@pytest.fixture
def report(tmp_path):
    """Writes the report of rows of a network, and returns its table's rows and its folder."""

    def write(arch, norms, rows):
        (job,) = time.jobs(time.EXPERIMENT.request(archs=[arch], norms=norms, rounds=2))
        directory = RunDirectory(tmp_path / "runs" / arch)
        directory.path.mkdir(parents=True)
        (directory / "seconds.json").write_text(json.dumps({"machine": "this one", "rows": rows}))
        outcome = Outcome(job, "complete", directory)
        assert time.describe(outcome) == f"{len(rows)} networks timed, 2 rounds"
        time.report([outcome], Report(tmp_path, "time", []))
        assert tf.io.decode_png((tmp_path / f"figure_{arch}.png").read_bytes()).shape[0] >= 300
        with open(tmp_path / f"{arch}.csv", newline="") as file:
            return list(csv.reader(file)), (tmp_path / "table.md").read_text()

    return write


BASELINES = [row("bn", 0.5, 1.0, 0.25), row("none", 0.375, 0.75, 0.0)]


def test_table_iv_is_beside_ours(report):
    found, text = report("vgg19", ["zca-16"], [*BASELINES, row("zca-16", 1.0, 2.0, 0.625)])
    assert found == [
        [
            "norm",
            "s a step",
            "BN's = 1",
            "norms' share of a step, %",
            "paper, GPU: s a step",
            "paper, GPU: BN's = 1",
        ],
        ["bn", "0.5", "1.0", "25.0", "0.049", "1.0"],
        ["none", "0.375", "0.75", "0.0", "", ""],
        ["zca-16", "1.0", "2.0", "62.5", "2.245", str(2.245 / 0.049)],
    ]
    assert "Table IV, on one GPU" in text and "median of 2 rounds" in text and "this one" in text


def test_places_are_told_apart(report):
    rows = [row("itn-64", 0.6, 1.2, 0.375, "arc_b"), row("itn-64", 0.7, 1.4, 0.5, "arc_c")]
    found, _ = report("resnet50", ["itn-64"], [*BASELINES, *rows])
    assert [line[:3] for line in found[1:]] == [
        ["bn", "", "0.5"],
        ["none", "", "0.375"],
        ["itn-64", "arc_b", "0.6"],
        ["itn-64", "arc_c", "0.7"],
    ]
    assert [line[5] for line in found[1:]] == ["0.418", "", "0.522", "0.662"]


def test_the_lines_are_over_group_sizes(report, monkeypatch):
    drawn, drawn_as = {}, []
    write_lines = time.write_lines

    def remember(path, panels, *given, **options):
        drawn.update(panels)
        drawn_as.extend(given)
        write_lines(path, panels, *given, **options)

    monkeypatch.setattr(time, "write_lines", remember)
    rows = [
        row(f"itn-{size}", seconds, 2.1 * seconds, 0.375, variant)
        for variant, seconds in (("arc_b", 0.625), ("arc_c", 0.75))
        for size in (64, 16)
    ]
    _, text = report("resnet18", ["itn-64", "itn-16"], [*BASELINES, *rows])
    # As in figure V, seconds; the ratios are in the table.
    level = {"bn": [(16, 0.5), (64, 0.5)], "none": [(16, 0.375), (64, 0.375)]}
    assert list(drawn.values()) == [
        {**level, "itn": [(16, 0.625), (64, 0.625)]},
        {**level, "itn": [(16, 0.75), (64, 0.75)]},
    ]
    assert [title.split(", width")[0] for title in drawn] == [
        "ResNet-18, arc_b",
        "ResNet-18, arc_c",
    ]
    assert drawn_as == ["channels in a group", "s a training step"]
    assert "figure V" in text and "has no numbers" in text


def test_baselines_by_themselves_are_reported(report):
    found, _ = report("vgg19", ["bn"], BASELINES)
    assert len(found) == 3


def test_of_resnet_110_nothing_is_published(report):
    found, text = report("resnet110", None, [*BASELINES, row("unitization", 0.51, 1.02, 0.26)])
    assert found[3] == ["unitization", "0.51", "1.02", "26.0"]
    assert "GPU" not in text
