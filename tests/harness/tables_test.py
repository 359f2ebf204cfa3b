"""Names of tables: from the source as from the module, and with what was added to it."""

import sys

import pytest

import classify.config
import gan.config
from harness import config, norm_names, tables
from harness.tables import Table, names_in


def tables_of(config_class):
    choices = (field.metadata["choices"] for field in config_class.options())
    return [choice for choice in choices if isinstance(choice, Table)]


ALL = [
    *tables_of(gan.config.Config),
    *tables_of(classify.config.Config),
    Table("harness.norms", "PLAIN_NORMS"),
    Table("harness.norms", "RECOVERIES"),
    Table("tfnorm.functional.whitening", "WHITENERS"),
    Table("classify.networks.resnet_imagenet", "ARCS"),
    Table("gan.metrics.evaluation", "METRICS"),
    Table("classify.measured", "FILES"),
    Table("tfnorm.analysis.em_distance", "ESTIMATORS"),
]


@pytest.mark.parametrize("table", ALL)
def test_the_source_says_what_the_module_has(table):
    __import__(table.module)
    loaded = tuple(getattr(sys.modules[table.module], table.table))
    assert len(loaded) > 1
    assert tables._names_in_source(*table) == loaded == table()


def test_a_row_that_was_added_is_seen(monkeypatch):
    from tfnorm.functional import WHITENERS

    monkeypatch.setitem(WHITENERS, "fifth", WHITENERS["zca"])
    assert names_in("tfnorm.functional.whitening", "WHITENERS")[-1] == "fifth"
    assert norm_names.norms()[-1] == "fifth"
    assert norm_names.parse_norm("fifth-16") == {"norm": "fifth", "group_size": 16}
    assert config.Normalization("fifth").norm == "fifth"


def test_a_table_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="Received: table='NOTHING'"):
        names_in("harness.tables", "NOTHING")
