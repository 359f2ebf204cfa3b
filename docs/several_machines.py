"""The tables of docs/several_machines.md: what synchronized whitening costs in ResNet-50.

`python docs/several_machines.py` prints the bytes that
each worker puts into collectives in a step, by group size, against those of the gradients; and what
a step of 64 workers takes on paper.
"""

FLOAT = 4  # bytes
GROUP_SIZES = (8, 16, 32, 64, 128, 256, None)
# Collectives of a synchronized whitening: means, covariances, and one of the gradient.
COLLECTIVES = 3
# On paper: a ring of workers, seconds from one to the next, and bytes a second of each.
WORKERS, HOP, BANDWIDTH = 64, 25e-6, 10e9 / 8


def numbers(channels, group_size):
    """Numbers that a replica puts into the collectives of a synchronized whitening in a step.

    The channels are a multiple of the group size, or fewer.

    Forward a sum a channel and the count, then the products of the channels within a group;
    backward the gradients of as many products, and of as many means.
    """
    size = min(group_size or channels, channels)
    return 2 * (channels + channels * size) + 1


def ring_seconds(size, collectives):
    """Seconds that all-reduces of `size` bytes in all take in a ring: 2 (n - 1) hops each."""
    hops = 2 * (WORKERS - 1)
    return collectives * hops * HOP + hops / WORKERS * size / BANDWIDTH


def resnet50():
    """The channels of each normalization, after a convolution each, and the trainable weights."""
    convolutions, inputs = [(7, 3, 64)], 64  # size of the kernel, channels in and out
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            convolutions += [(1, inputs, width), (3, width, width), (1, width, 4 * width)]
            convolutions += [(1, inputs, 4 * width)] if block == 0 else []
            inputs = 4 * width
    trainable = sum(size**2 * before * after + 2 * after for size, before, after in convolutions)
    return [after for _, _, after in convolutions], trainable + (inputs + 1) * 1000


def table(channels, trainable):
    """The lines of the table, Markdown."""
    size = FLOAT * trainable
    alone = ring_seconds(size, 1)
    lines = [
        "| group size | collectives | MB a step | of the gradients' | 64 workers, ms a step |",
        "|---|---|---|---|---|",
        f"| gradients | 1 | {size / 1e6:.1f} | 1 | {1e3 * alone:.0f} |",
    ]
    for group_size in GROUP_SIZES:
        count = COLLECTIVES * len(channels)
        own = FLOAT * sum(numbers(each, group_size) for each in channels)
        seconds = alone + ring_seconds(own, count)
        lines.append(
            f"| {group_size or 'all channels'} | {count} | {own / 1e6:.1f} | {own / size:.2g} | "
            f"{1e3 * seconds:.0f} |"
        )
    return lines


if __name__ == "__main__":
    print("\n".join(table(*resnet50())))
