"""What a user is told about a grid file: everything at once, each where it stands."""

from pathlib import Path

import pytest

from orchestrator.errors import GridError, UserError
from orchestrator.grid import GridSpec, read_grid
from trainables.registry import registry

VALID = """\
name: demo
axes:
  dataset: digits
  model: mlp
  optimizer: sgd
"""


def read(tmp_path: Path, text: str) -> GridSpec:
    path = tmp_path / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return read_grid(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(GridError) as caught:
        read(tmp_path, text)
    return [line.removeprefix(str(tmp_path) + "/") for line in str(caught.value).splitlines()]


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    grid = read(tmp_path, VALID)
    assert list(grid.seeds) == [0]
    assert [level.label for level in grid.axes.regularizer] == ["none"]
    assert (grid.resources.workers, grid.resources.cpus, grid.resources.gpus) == (1, 1, 0)
    assert (grid.wandb.mode, grid.wandb.project, grid.wandb.entity) == ("auto", None, None)
    assert grid.exclude == grid.include == grid.zip == grid.overrides == ()


def test_the_issues_example_is_read_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "birds").mkdir()
    grid = read(
        tmp_path,
        """\
name: demo
axes:
  dataset: [digits, {name: image_folder, path: birds}]
  model: [mlp, {name: cnn, channels: [8, 16]}, {name: resnet, depth: [8, 20]}]
  optimizer: [{name: sgd, lr: [0.1, 1e-2], momentum: 0.9}, {name: adam, lr: 0.003}]
  regularizer: [none, [{name: dropout, p: 0.3}, {name: weight_decay, value: 5e-4}]]
seeds: 3
protocol: {epochs: 5, batch_size: 64, precision: fp32, schedule: cosine, select: val_accuracy,
  splits: {validation: 0.1}, trial_timeout: 2h}
resources: {workers: 1, cpus: 1, gpus: 0}
exclude: [{model: resnet, dataset: digits}]
include: []
zip: []
overrides: [{when: {model: resnet}, set: {protocol.epochs: 30}}]
wandb: {mode: auto, project: demo}
""",
    )
    assert [level.label for level in grid.axes.dataset] == ["digits", "image_folder(path=birds)"]
    assert [level.label for level in grid.axes.model] == [
        "mlp",
        "cnn(channels=8-16)",
        "resnet(depth=8)",
        "resnet(depth=20)",
    ]
    assert [level.label for level in grid.axes.optimizer] == ["sgd(lr=0.1)", "sgd(lr=0.01)", "adam(lr=0.003)"]
    assert [level.label for level in grid.axes.regularizer] == [
        "none",
        "dropout(p=0.3)+weight_decay(value=0.0005)",
    ]
    assert list(grid.seeds) == [0, 1, 2]
    assert grid.protocol.trial_timeout == 7200
    assert grid.warnings == ()


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    known = [
        *registry.names("model"),
        *(f"{namespace.prefix}:NAME" for namespace in registry.namespaces("model")),
    ]
    assert problems(
        tmp_path,
        """\
nmae: demo
name: ../x
axes:
  dataset: [digit]
  model: [no, {name: cnn, chanels: 8, kernels: [3, a]}, {name: resnet, depth: [9, 20]}, 5]
  optimizer: [{name: sgd, lr: -1}, {name: sgd, nesterov: true}, {lr: 3}]
  regularizer: []
seeds: -1
protocol: {epochs: 0, precission: fp32, schedule: {name: step, gamma: 2}, trial_timeout: 2 hours}
""",
    ) == [
        "grid.yaml:1:1: unknown key 'nmae'; did you mean name?",
        'grid.yaml:2:7: "../x" is not a valid name for a sweep: a letter or digit first, then letters, digits and . _ -, '
        "at most 100 characters",
        "grid.yaml:4:13: unknown dataset 'digit'; did you mean digits?",
        f"grid.yaml:5:11: unknown model 'no'; known: {', '.join(known)}",
        "grid.yaml:5:27: unknown parameter of cnn 'chanels'; did you mean channels?",
        'grid.yaml:5:52: kernels[1] has to be a whole number, not "a"',
        "grid.yaml:5:80: depth has to be 6n + 2 (8, 14, 20, 32, 44, 56, 110, ...); near 9: [8, 14]",
        "grid.yaml:5:89: a model has to be a name or a mapping with a name, not 5",
        "grid.yaml:6:31: lr has to be greater than 0, not -1",
        "grid.yaml:6:36: sgd: nesterov needs a momentum above 0, such as 0.9",
        "grid.yaml:6:65: an optimizer written as a mapping needs the key name",
        "grid.yaml:7:3: the axis regularizer has no levels; write at least one",
        "grid.yaml:8:8: seeds has to be a whole number of at least 1, or a list of seeds, not -1",
        "grid.yaml:9:20: protocol.epochs has to be at least 1, not 0",
        "grid.yaml:9:23: unknown key of protocol 'precission'; did you mean precision?",
        "grid.yaml:9:71: protocol.schedule.gamma has to be at most 1, not 2",
        "grid.yaml:9:90: protocol.trial_timeout: a duration is a number of seconds, or a number with s, m, h or d, "
        "such as 2h",
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("seeds: 0", "6:8: seeds has to be a whole number of at least 1, or a list of seeds, not 0"),
        ("seeds: true", "6:8: seeds has to be a whole number of at least 1, or a list of seeds, not true"),
        ("seeds: 1.0", "6:8: seeds has to be a whole number of at least 1, or a list of seeds, not 1.0"),
        ("seeds:", "6:7: seeds has to be a whole number of at least 1, or a list of seeds, not null"),
        ("seeds: {vary: [init]}", "6:8: seeds needs count, how many there are"),
        ("seeds: {count: 0}", "6:16: seeds.count has to be a whole number of at least 1, not 0"),
        ("seeds: {count: [1]}", "6:16: seeds.count has to be a whole number of at least 1, not [1]"),
        ("seeds: {count: 2, vary: []}", "6:25: seeds.vary has to be a list of split, init, order, augment"),
        ("seeds: {count: 2, vary: init}", "6:25: seeds.vary has to be a list of split, init, order, augment"),
        (
            "seeds: {count: 2, vary: [inti]}",
            '6:26: unknown source of variance "inti"; did you mean init?',
        ),
        ("seeds: {count: 2, vary: [init, init]}", "6:32: init appears twice in seeds.vary"),
        ("seeds: {count: 2, very: [init]}", "6:19: unknown key of seeds 'very'; did you mean vary?"),
        ("seeds: []", "6:8: seeds is an empty list; write at least one"),
        ("seeds: [1, 2, 1]", "6:15: the seed 1 appears twice"),
        (
            "seeds: [9223372036854775808]",
            "6:9: a seed has to be a whole number of at least 0, not 9223372036854775808; the largest seed is "
            "9223372036854775807",
        ),
        ("seeds: 9223372036854775808", "6:8: seeds has to be a whole number of at least 1, or a list of seeds, not 92"),
        ("protocol: {epochs: 1.5}", "6:20: protocol.epochs has to be a whole number, not 1.5"),
        ("protocol: {epochs: 1e3}", "6:20: protocol.epochs has to be a whole number, not 1000.0"),
        ("protocol: 5", "6:11: protocol has to be a mapping with keys such as epochs, batch_size, precision"),
        ("protocol: {compile: yes}", '6:21: protocol.compile has to be true or false, not "yes"'),
        ("protocol: {splits: {validation: 0.9}}", "6:20: protocol.splits: validation 0.9 and test 0.2 leave nothing"),
        ("protocol: {splits: {vaildation: 0.2}}", "6:21: unknown key of protocol.splits 'vaildation'; did you mean va"),
        ("protocol: {schedule: {name: cosine, min: 0}}", "6:37: unknown key of protocol.schedule 'min'"),
        ("protocol: {trial_timeout: .inf}", "6:27: protocol.trial_timeout has to be a finite number, not .inf"),
        ("protocol: {schedule: cosin}", "6:22: protocol.schedule: unknown schedule 'cosin'; did you mean cosine?"),
        ("protocol: {select: val_acuracy}", "6:20: unknown measure 'val_acuracy' to select on; did you mean"),
        ("resources: {workers: 0}", "6:22: resources.workers has to be at least 1, not 0"),
        ("resources: {gpus: 1.5}", "6:19: resources.gpus: gpus is a share below 1 or a whole number, not 1.5"),
        ("wandb: {mode: on}", '6:15: wandb.mode has to be one of auto, online, offline, disabled, not "on"'),
        ("checkpoints: often", "6:14: checkpoints has to be none, or a mapping with the keys seconds and keep"),
        ("checkpoints: {keep: all}", '6:21: checkpoints.keep has to be one of unfinished, last, best, not "all"'),
        ("wandb: {projct: x}", "6:9: unknown key of wandb 'projct'; did you mean project?"),
        ("wandb: {tags: paper}", '6:15: wandb.tags has to be a list, not "paper"'),
        ("wandb: {tags: [1]}", "6:16: wandb.tags[0] has to be text, not 1"),
        ("wandb: {tags: [null]}", "6:16: wandb.tags[0] has to be text, not null"),
        ("wandb: {tags: [a, a]}", "6:15: wandb.tags: tags has a twice"),
        ("wandb: {tags: [' a']}", "6:16: wandb.tags[0]: it has to be one line, without spaces around it"),
        (r'wandb: {tags: ["\ud800"]}', r"6:16: a value that contains '\ud800', which no name may contain"),
        (f"wandb: {{tags: [{'x' * 65}]}}", "6:16: wandb.tags[0] has to be text of at most 64 characters, not"),
        ("wandb: {notes: 3}", "6:16: wandb.notes has to be text, not 3"),
        ("wandb: {notes: ' '}", "6:16: wandb.notes: it has to be one line, without spaces around it"),
        (r'wandb: {notes: "a\0"}', r"6:16: a value that contains '\x00', which no name may contain"),
        (f"wandb: {{notes: {'x' * 2001}}}", "6:16: wandb.notes has to be text of at most 2000 characters, not"),
        ("wandb: {entity: a/b}", "6:17: wandb.entity: it must not contain /; W&B refuses it"),
        ("wandb: {project: ' '}", "6:18: wandb.project: it has to be one line, without spaces around it"),
        (f"wandb: {{project: {'x' * 129}}}", "6:18: wandb.project has to be text of at most 128 characters, not"),
        ("wandb: {live: yes}", '6:15: wandb.live has to be one of auto, on, off, not "yes"'),
        ("wandb: {artifacts: all}", '6:20: wandb.artifacts has to be one of best, none, not "all"'),
        ("wandb: {alert: [end]}", '6:16: wandb.alert has to be one of end, failures, none, not ["end"]'),
        ("exclude: [{modell: mlp}]", "6:12: unknown axis 'modell'; did you mean model?"),
        ("exclude: [{model: mpl}]", "6:19: unknown model 'mpl'; did you mean mlp?"),
        ("exclude: [{}]", "6:11: exclude[0] names no axis, so it would match every cell"),
        ("exclude: [mlp]", "6:11: exclude[0] has to be a mapping"),
        ("include: [{model: mlp}]", "6:11: include[0] needs the axis dataset"),
        ("zip: [[model, optimiser]]", '6:15: unknown axis "optimiser"; did you mean optimizer?'),
        ("zip: [model, optimizer]", "6:7: zip is a list of lists of two or more axes, such as [[model, optimizer]]"),
        ("zip: [[model, model]]", "6:15: the axis model is zipped twice"),
        ("overrides: [{when: {model: mlp}}]", "6:13: overrides[0] needs set"),
        ("overrides: [{when: {model: mlp}, set: {protocol.epochs: 0}}]", "6:57: protocol.epochs has to be at least 1"),
        ("overrides: [{when: {model: mlp}, set: {protocol.epoch: 3}}]", "6:40: unknown key 'epoch' of protocol; did"),
        ("overrides: [{when: {model: mlp}, set: {optimizer.lr: -3}}]", "6:54: lr has to be greater than 0, not -3"),
        (
            "overrides: [{when: {model: mlp}, set: {model.depth: 8}}]",
            "6:40: overrides[0] sets model.depth, but mlp has",
        ),
        ("overrides: [{when: {model: mlp}, set: {epochs: 8}}]", "6:40: overrides[0] cannot set 'epochs'; it sets keys"),
    ],
)
def test_a_section_that_cannot_be_used_is_told_where_it_stands(tmp_path: Path, section: str, message: str) -> None:
    found = problems(tmp_path, VALID + section)
    assert found[0].startswith(f"grid.yaml:{message}")


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("{name: sgd, lr: .nan}", "5:30: lr has to be a finite number, not .nan"),
        ("{name: sgd, lr: 1e999}", "5:30: lr has to be a finite number, not .inf"),
        ("{name: sgd, lr: abc}", '5:30: lr has to be a number, not "abc"'),
        ("{name: sgd, lr: true}", "5:30: lr has to be a number, not true"),
        ("{name: sgd, lr: }", "5:29: lr has to be a number, not null"),
        ("{name: sgd, lr: []}", "5:30: lr has to be a number, not []"),
        ("{name: sgd, lr: [[0.1]]}", "5:31: lr has to be a number, not [0.1]"),
        ("{name: sgd, lr: {a: 1}}", '5:30: lr has to be a number, not {"a": 1}'),
        ("{name: adam, betas: [0.9, 1.5]}", "5:40: betas[1] has to be less than 1, not 1.5"),
        ("{name: adam, betas: 0.9}", "5:34: betas has to be a list, not 0.9"),
        ("{name: [sgd]}", "5:21: the name of an optimizer has to be text"),
        ("", "5:3: the axis optimizer has no levels; write at least one"),
        ("[]", "5:3: the axis optimizer has no levels; write at least one"),
        ("[null]", "5:15: an optimizer has to be a name or a mapping with a name, not null"),
    ],
)
def test_a_level_that_cannot_be_used_is_told_where_it_stands(tmp_path: Path, optimizer: str, message: str) -> None:
    assert problems(tmp_path, VALID.replace("sgd", optimizer)) == [f"grid.yaml:{message}"]


@pytest.mark.parametrize("name", ["../x", "x" * 101, "", ".x", "-x", "a b", "..", "a/b", "ä"])
def test_a_name_that_cannot_be_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (found,) = problems(tmp_path, VALID.replace("demo", f'"{name}"'))
    assert found.startswith("grid.yaml:1:7: ")
    assert "is not a valid name for a sweep" in found


def test_a_number_is_no_name_and_the_user_is_told_of_quotes(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, VALID.replace("demo", "2024"))
    assert "in quotes" in found
    assert read(tmp_path, VALID.replace("demo", '"2024"')).name == "2024"


def test_a_file_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"grid\.yaml"):
        read_grid(tmp_path / "grid.yaml")


def test_sections_with_everything_commented_out_are_not_given(tmp_path: Path) -> None:
    grid = read(tmp_path, VALID + "exclude:\n  # - {model: mlp}\nwandb:\nprotocol:\n")
    assert grid.exclude == ()
    assert grid.protocol.epochs == 10


def test_a_rule_that_matches_nothing_is_a_warning(tmp_path: Path) -> None:
    grid = read(tmp_path, VALID + "exclude: [{model: cnn}, {optimizer: {name: sgd, lr: 7}}, {model: mlp}]")
    assert [str(warning).removeprefix(f"{tmp_path}/") for warning in grid.warnings] == [
        "grid.yaml:6:11: exclude[0] matches no cell of this grid",
        "grid.yaml:6:25: exclude[1] matches no cell of this grid",
    ]


def test_a_claim_on_what_no_measurement_finds_out_is_a_warning(tmp_path: Path) -> None:
    claims = "".join(
        f"\n  - {{id: {name}, text: A, better: {{model: cnn}}, than: {{model: mlp}}, on: {name}_accuracy}}"
        for name in ("attack", "mean_corruption", "test")
    )
    text = VALID.replace("model: mlp", "model: [mlp, cnn]") + f"measure: attack\nclaims:{claims}\n"
    (warning,) = read(tmp_path, text).warnings
    assert str(warning).endswith(
        ": the claim mean_corruption is on mean_corruption_accuracy, which no measurement of this grid finds out; add"
        " `measure: corrupt`, or run `orch measure RESULTS corrupt`"
    )
    assert not read(tmp_path, text.replace("measure: attack", "measure: [attack, corrupt]")).warnings


def test_equal_levels_written_differently_are_one_level_and_a_warning(tmp_path: Path) -> None:
    grid = read(tmp_path, VALID.replace("sgd", "[{name: sgd, lr: [0.1, 1e-1, 0.2]}, {name: sgd, lr: 0.2}, sgd]"))
    assert [level.label for level in grid.axes.optimizer] == ["sgd(lr=0.1)", "sgd(lr=0.2)"]
    assert [(warning.line, warning.column) for warning in grid.warnings] == [(5, 15), (5, 50), (5, 72)]


def test_the_number_of_seeds_can_be_set_from_outside(tmp_path):
    def grid(seeds):
        path = tmp_path / "grid.yaml"
        path.write_text(f"name: n\naxes: {{dataset: digits, model: mlp, optimizer: sgd}}\nseeds: {seeds}\n")
        return read_grid(path)

    assert list(grid(3).with_seeds(5).seeds) == [0, 1, 2, 3, 4]
    assert list(grid([7, 9, 11]).with_seeds(2).seeds) == [7, 9]
    with pytest.raises(UserError, match="more seeds than the list"):
        grid([7, 9]).with_seeds(3)


def test_a_regularizer_stands_once_in_a_level(tmp_path: Path) -> None:
    twice = "  regularizer: [dropout, [{name: dropout, p: 0.1}, mixup, {name: dropout, p: 0.3}], [none, none, l1]]"
    axes = "name: twice\naxes:\n  dataset: digits\n  model: mlp\n  optimizer: sgd\n"
    assert problems(tmp_path, axes + twice) == [
        "grid.yaml:6:26: dropout appears twice among the regularizers of one level; keep one"
    ]


def test_checkpoints_are_kept_unless_the_grid_says_none(tmp_path: Path) -> None:
    for text, expected in (
        ("", (5.0, "unfinished")),
        ("checkpoints:", (5.0, "unfinished")),
        ("checkpoints: {seconds: 2m, keep: best}", (120.0, "best")),
        ("checkpoints: {seconds: 0}", (0.0, "unfinished")),
    ):
        policy = read(tmp_path, VALID + text + "\n").checkpoints
        assert policy is not None and (policy.seconds, policy.keep) == expected
    assert read(tmp_path, VALID + "checkpoints: none\n").checkpoints is None


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("wandb: {artifacts: best}", "6:20: wandb.artifacts: best sends the weights that trials keep; set protocol."),
        (
            "wandb: {mode: offline, artifacts: best}",
            "6:35: wandb.artifacts: best sends the weights that trials keep; set",
        ),
        ("wandb: {runs: cells, artifacts: best}", "6:33: wandb.artifacts: best has no effect with wandb.runs: ce"),
        ("wandb: {mode: disabled, live: on}", "6:31: wandb.live: on has no effect with wandb.mode: disabled"),
        ("wandb: {mode: offline, live: on}", "6:30: wandb.live: on has no effect with wandb.mode: offline, wh"),
        (
            "wandb: {runs: cells, alert: failures}",
            "6:29: wandb.alert: failures has no effect with wandb.runs: cells",
        ),
        ("wandb: {runs: cells, live: on}", "6:28: wandb.live: on has no effect with wandb.runs: cells"),
    ],
)
def test_what_is_asked_of_wandb_and_cannot_be_had_is_told_where_it_stands(
    tmp_path: Path, rest: str, message: str
) -> None:
    (warning,) = read(tmp_path, VALID + rest).warnings
    assert str(warning).removeprefix(f"{tmp_path}/").startswith(f"grid.yaml:{message}")


@pytest.mark.parametrize(
    "rest",
    [
        "wandb: {artifacts: best}\nprotocol: {keep_weights: best}",
        "wandb: {artifacts: best}\noverrides: [{when: {model: mlp}, set: {protocol.keep_weights: best}}]",
        "wandb: {mode: offline, alert: end, live: auto}",
        "wandb: {runs: cells}",
    ],
)
def test_what_can_be_had_of_wandb_is_no_mistake(tmp_path: Path, rest: str) -> None:
    assert read(tmp_path, VALID + rest).warnings == ()
