import subprocess
import sys
import textwrap


def test_import_leaves_no_trace():
    """In a process of its own: in this one, another test may have imported it already."""
    code = """
        import logging, sys, warnings
        import absl.logging
        import tensorflow as tf

        def traces():
            levels = {name: logging.getLogger(name).level for name in ("", "absl", "tensorflow")}
            return dict(
                tf=dir(tf), v1=dir(tf.compat.v1), v2=dir(tf.compat.v2),
                estimator=(hasattr(tf, "estimator"), hasattr(tf.compat.v1, "estimator")),
                filters=list(warnings.filters), show=warnings.showwarning,
                levels=levels, handlers=list(logging.getLogger().handlers),
                verbosity=(absl.logging.get_verbosity(), tf.get_logger().level),
                eager=tf.executing_eagerly(), path=list(sys.path),
                resources=sys.modules.get("pkg_resources", "none"),
            )

        sys.modules["pkg_resources"] = None  # cannot be imported, as with setuptools 82
        before = traces()
        assert before["estimator"] == (False, False)
        from gan.tfgan import tfgan
        after = traces()
        for key in before:
            assert before[key] == after[key], key
        assert tfgan.__version__ == "2.1.0"
        loss = tfgan.losses.wargs.wasserstein_hinge_generator_loss(tf.constant([1.0, 2.0]))
        assert float(loss) == -1.5
    """
    result = subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr.replace("WARNING: All log messages before absl", "")
