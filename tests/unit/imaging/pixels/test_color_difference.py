import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.imaging.pixels.color_difference import delta_e, srgb_to_lab

LABS = hnp.arrays(
    np.float64,
    (8, 3),
    elements=st.floats(-100, 100, allow_subnormal=False),
).map(lambda lab: np.abs(lab) * [1, 0, 0] + lab * [0, 1, 1])
COLORS = hnp.arrays(np.float32, (8, 3), elements=st.floats(0, 1, width=32))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [  # from table 1 of Sharma, Wu and Dalal 2005: each exercises a discontinuity
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0010), 7.1792),
        ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
        ((50, -0.0010, 2.4900), (50, 0.0009, -2.4900), 4.8045),
        ((50, -0.0010, 2.4900), (50, 0.0011, -2.4900), 4.7461),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_published_with_the_formula(one, other, difference):
    one, other = np.float64([one]), np.float64([other])
    assert delta_e(one, other)[0] == pytest.approx(difference, abs=1e-4)
    assert delta_e(other, one)[0] == pytest.approx(difference, abs=1e-4)


@given(one=LABS, other=LABS)
def test_another_implementation_agrees(one, other):
    # Where hues are opposite, or there is none, the mean hue is a convention.
    one, other = one.round(2), other.round(2)
    product = (one[:, 1] + 1j * one[:, 2]) * (other[:, 1] - 1j * other[:, 2])
    assume((np.abs(product) > 0.01).all() and (np.abs(np.angle(product)) < 3.14).all())
    np.testing.assert_allclose(delta_e(one, other), deltaE_ciede2000(one, other), atol=1e-4)


@given(lab=LABS)
def test_a_colour_does_not_differ_from_itself(lab):
    assert (delta_e(lab, lab) == 0).all()


@given(rgb=COLORS)
def test_lab_is_that_of_another_implementation(rgb):
    np.testing.assert_allclose(srgb_to_lab(rgb), rgb2lab(rgb.astype(np.float64)), atol=0.02)
