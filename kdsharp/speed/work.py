"""How much arithmetic a frame takes, counted without computing one."""

from kdsharp import recipes, student
from kdsharp.recipes import Network
from kdsharp.speed import rivals

HEIGHT, WIDTH = 1080, 1920


def multiply_adds(network: str | Network, size: tuple[int, int] = (HEIGHT, WIDTH)) -> float:
    """Billions of multiply-adds for one frame, which comes out with `size` (height, width).

    `network` is a student by name or file, one of `rivals.RIVALS`, or the settings of one that need not be trained.
    """
    if isinstance(network, Network):
        built = student.build(network)
    else:
        built = rivals.build(network) if network in rivals.RIVALS else student.load_network(network)[0]
    rows, columns = (recipes.shrunk(side, built.scale) for side in size)
    return round(student.multiply_adds(built.to("meta"), rows, columns) / 1e9, 3)
