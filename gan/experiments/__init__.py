"""The paper's experiments with GANs, each a module.

A module has `FLAGS`, the names of the flags that it takes; `runs(options)`, the list of its
`sweep.Run`s; `carry_out(config, directory)`, which does one; `PRODUCT`, the file that one writes
last, and `FREE`, fields that may differ when it goes on; `describe(outcome)`, a complete one in a
few words; and `report(outcomes, out)`, which writes the tables and figures of all of them to a
`sweep.Report`.
"""

from gan.experiments import cost, large, stability

EXPERIMENTS = {"stability": stability, "large": large, "cost": cost}
