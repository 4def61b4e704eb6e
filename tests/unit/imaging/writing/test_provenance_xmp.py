from __future__ import annotations

from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.imaging.quality.finished_file import inspect
from pipeline.imaging.writing.encoding import OutputFormat, encode
from pipeline.imaging.writing.provenance_xmp import Provenance, read_source_uri, xmp_packet

EXTENSION = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
RGB = np.full((40, 60, 3), 90, np.uint8)
SAID = Provenance(
    source_type="compositeWithTrainedAlgorithmicMedia",
    ai_system="sdxl-inpaint",
    ai_system_version="1.0",
    ai_prompt='oak & <ash> "quoted" caf\u00e9',
    ai_prompt_writer="Studio A",
)


def fields(packet):
    tree = ElementTree.fromstring(packet.decode().strip("\ufeff"))
    return {
        element.tag.removeprefix(EXTENSION): element.text
        for element in tree.iter()
        if element.tag.startswith(EXTENSION)
    }


def test_the_fields_have_the_standards_names_and_the_term_is_a_whole_uri():
    assert fields(xmp_packet(SAID)) == {
        "DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/"
        "compositeWithTrainedAlgorithmicMedia",
        "AISystemUsed": "sdxl-inpaint",
        "AISystemVersionUsed": "1.0",
        "AIPromptInformation": SAID.ai_prompt,
        "AIPromptWriterName": "Studio A",
    }


def test_what_is_not_said_is_not_there():
    packet = xmp_packet(Provenance(source_type="algorithmicallyEnhanced"))
    assert fields(packet).keys() == {"DigitalSourceType"}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_prompt_gives_a_packet_that_can_be_read(prompt):
    packet = xmp_packet(Provenance(source_type="compositeSynthetic", ai_prompt=prompt))
    assert len(packet) < 65_000
    assert read_source_uri(packet).endswith("compositeSynthetic")
    fields(packet)


@pytest.mark.parametrize("format_", list(OutputFormat))
def test_the_packet_lies_where_readers_look_for_it(format_):
    file = encode(RGB, format=format_, quality=90, xmp=xmp_packet(SAID))
    assert inspect(file).source_uri == SAID.source_uri
    assert Image.open(BytesIO(file)).info["xmp"] == xmp_packet(SAID)


@pytest.mark.parametrize("format_", list(OutputFormat))
def test_a_file_without_one_states_nothing(format_):
    assert inspect(encode(RGB, format=format_, quality=90)).source_uri is None


@pytest.mark.parametrize(
    "packet",
    [
        b'<d Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/x1"/>',
        b"<I:DigitalSourceType>\n http://cv.iptc.org/newscodes/digitalsourcetype/x1</I:Di",
        b"<I:DigitalSourceType rdf:resource='http://cv.iptc.org/newscodes/digitalsourcetype/x1'/>",
    ],
)
def test_other_writers_spellings_are_read(packet):
    assert read_source_uri(packet) == "http://cv.iptc.org/newscodes/digitalsourcetype/x1"
