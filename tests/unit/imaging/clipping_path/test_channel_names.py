from pipeline.imaging.clipping_path.channel_names import channel_names
from pipeline.imaging.containers.photoshop_resources import image_resources
from tests.photoshop import psd, resource


def told(*names):
    units = [(name + "\0").encode("utf-16-be") for name in names]
    return b"".join((len(unit) // 2).to_bytes(4, "big") + unit for unit in units)


def names(blocks):
    return channel_names(image_resources(psd(blocks), "PSD"))


def test_names_of_channels_in_unicode_before_those_of_old():
    old = resource(1006, b"\x03Cup\x06Gr\x9a\xa7en")
    assert names(old) == ["Cup", "Größen"]
    assert names(old + resource(1045, told("Tasse", "影"))) == ["Tasse", "影"]
    assert names(resource(1005, bytes(16))) == []


def test_names_that_are_cut_off_cost_nothing():
    assert names(resource(1006, b"\x09Cup")) == ["Cup"]
    assert names(resource(1045, told("Tasse")[:-4] + b"\0")) != []
