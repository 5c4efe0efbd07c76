"""course_utils.captions against bars of known shape, and against its own words."""

import numpy as np
import pytest
from scipy import ndimage

from course_utils import captions, data
from course_utils.captions import ATTRIBUTES, LENGTH, LEVELS, UNSAID, VOCABULARY, Ruler

THICKNESS, SLANT, SIZE = range(3)


def bar(width, height, shear=0.0, fine=8):
    """A bar drawn eight times as fine, then made small: float (1, 28, 28, 1).

    `shear` is how far its top lies to the right of its foot, as a share of its height.
    """
    places = (np.arange(28 * fine) + 0.5) / fine - 14
    x, y = np.meshgrid(places, -places)
    inside = (abs(x - shear * y) < width / 2) & (abs(y) < height / 2)
    return inside.reshape(28, fine, 28, fine).mean(axis=(1, 3))[None, ..., None]


def measure(images):
    return dict(zip(ATTRIBUTES, captions.measure(images)[0].astype(float), strict=True))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module", params=["mnist", "digits"])
def dataset(request):
    images = data.load(request.param)
    if images.name != request.param:
        pytest.skip("MNIST is not on this machine: set COURSE_DATA or connect it")
    return images


@pytest.fixture(scope="module")
def measures(dataset):
    return captions.measure(dataset.images)


@pytest.fixture(scope="module")
def ruler(dataset, measures):
    return Ruler.fit(measures, dataset.labels)


# ------------------------------------------------------------------------------------ measuring


@pytest.mark.parametrize("width", [2, 3, 4, 5])
@pytest.mark.parametrize("shear", [0, 0.3, -0.3, 0.5])
def test_bars_have_the_thickness_slant_and_size_they_were_drawn_with(width, shear):
    found = measure(bar(width, 18, shear))
    across = width / np.hypot(1, shear)  # the bar is `width` wide along a row
    assert found["thickness"] == pytest.approx(across, abs=0.25)
    assert found["slant"] == pytest.approx(np.degrees(np.arctan(shear)), abs=0.5)
    assert found["size"] == pytest.approx(np.sqrt(18 * width), rel=0.08)


def test_a_lying_bar_is_as_thick_as_a_standing_one():
    standing, lying = measure(bar(3, 18)), measure(bar(18, 3))
    assert lying == pytest.approx(standing)


@pytest.mark.parametrize("angle", [20, 45, 70])
def test_turning_changes_neither_thickness_nor_size(angle):
    straight = bar(3, 18)
    turned = ndimage.rotate(straight[0, ..., 0], angle, reshape=False, order=1)[None, ..., None]
    before, after = measure(straight), measure(turned.clip(0, 1))
    assert after["thickness"] == pytest.approx(before["thickness"], rel=0.08)
    assert after["size"] == pytest.approx(before["size"], rel=0.03)


@pytest.mark.parametrize("factor", [0.5, 0.75])
def test_size_and_thickness_scale_with_the_picture(factor):
    large, small = measure(bar(4, 20, 0.3)), measure(bar(4 * factor, 20 * factor, 0.3))
    for name, power in (("thickness", 1), ("size", 1), ("slant", 0)):
        assert small[name] == pytest.approx(large[name] * factor**power, rel=0.1)


def test_neither_place_nor_haze_matters():
    plain = measure(bar(3, 18, 0.3))
    moved = np.roll(bar(3, 18, 0.3), (3, -5), axis=(1, 2))
    hazy = np.maximum(bar(3, 18, 0.3), 0.05)
    for changed in (moved, hazy):
        assert measure(changed) == pytest.approx(plain, rel=0.05)


def test_a_little_blur_hardly_matters():
    plain = measure(bar(3, 18, 0.3))
    soft = measure(ndimage.gaussian_filter(bar(3, 18, 0.3), (0, 0.5, 0.5, 0)))
    assert soft == pytest.approx(plain, rel=0.07)


def test_slant_is_what_deskewing_takes_away(dataset):
    """Sheared back by the measured angle, a digit stands upright."""
    image = dataset.images[dataset.labels == 7][0, ..., 0]
    shear = np.tan(np.radians(measure(image[None, ..., None])["slant"]))
    # In row r the source lies to the right of the target by shear × (height above the middle).
    matrix, centre = np.array([[1, 0], [-shear, 1]]), np.array([13.5, 13.5])
    back = ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=1)
    assert abs(measure(back[None, ..., None].clip(0, 1))["slant"]) < 2


@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full_pictures_have_numbers(value):
    found = captions.measure(np.full((2, 28, 28, 1), float(value)))
    assert np.isfinite(found).all() and (found == 0).all() == (value == 0)


def test_wrong_images_are_refused():
    with pytest.raises(ValueError, match=r"0, 1|expected"):
        captions.measure(2 * np.ones((1, 28, 28, 1)))


# ------------------------------------------------------------------------------------ the ruler


def test_levels_are_shares_of_the_training_images(dataset, measures, ruler):
    found = ruler.levels(measures, dataset.labels)
    for attribute in range(3):
        shares = np.bincount(found[:, attribute], minlength=3) / len(found)
        assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


def test_size_is_relative_to_the_digit(dataset, measures, ruler):
    found = ruler.levels(measures, dataset.labels)
    for digit in range(10):
        shares = np.bincount(found[dataset.labels == digit, SIZE], minlength=3)
        assert shares / shares.sum() == pytest.approx([0.25, 0.5, 0.25], abs=0.01)
    assert (ruler.limits[:, :2] == ruler.limits[0, :2]).all()
    assert ruler.limits[1, SIZE, 1] < ruler.limits[0, SIZE, 0]


def test_sure_levels_agree_with_levels_and_leave_some_out(dataset, ruler):
    held_out = captions.measure(dataset.test_images), dataset.test_labels
    sure, levels = ruler.sure_levels(*held_out), ruler.levels(*held_out)
    said = sure != UNSAID
    assert (sure[said] == levels[said]).all()
    assert said.mean(axis=0) == pytest.approx([0.6] * 3, abs=0.06)


def test_a_push_moves_the_level(dataset, ruler):
    """Thicker by one pixel on each side is thick; leaned over by 25 degrees is leaning right."""
    images, labels = dataset.test_images[:300], dataset.test_labels[:300]
    thick = ndimage.grey_dilation(images, size=(1, 3, 3, 1))
    assert (ruler.levels(captions.measure(thick), labels)[:, THICKNESS] == 2).mean() > 0.95
    matrix, centre = np.array([[1, 0], [np.tan(np.radians(25)), 1]]), np.array([13.5, 13.5])
    leaned = [
        ndimage.affine_transform(one, matrix, centre - matrix @ centre, order=1)
        for one in images[..., 0]
    ]
    before = ruler.levels(captions.measure(images), labels)[:, SLANT]
    leaned = captions.measure(np.stack(leaned).clip(0, 1))
    after = ruler.levels(leaned, labels)[:, SLANT]
    assert (after >= before).all() and (after[before > 0] == 2).mean() > 0.95


def test_ruler_wants_all_digits_and_whole_labels_and_measures(dataset, measures):
    measures, labels = measures[:50], dataset.labels[:50]
    with pytest.raises(ValueError, match=r"labels has no \[.*9\]"):
        Ruler.fit(measures[labels < 5], labels[labels < 5])
    with pytest.raises(ValueError, match="whole numbers"):
        Ruler.fit(measures, labels.astype(float))
    with pytest.raises(ValueError, match="pass what measure"):
        Ruler.fit(dataset.images[:50], labels)


# ------------------------------------------------------------------------------------ the words


def test_what_is_written_is_read_again(rng):
    labels = rng.integers(10, size=2_000)
    levels = rng.integers(-1, 3, size=(2_000, 3))
    written = captions.write(labels, levels, rng)
    read_labels, read_levels = captions.read(written)
    assert (read_labels == labels).all() and (read_levels == levels).all()


def test_all_words_are_used_and_articles_are_right(rng):
    labels = rng.integers(10, size=5_000)
    written = captions.write(labels, rng.integers(-1, 3, size=(5_000, 3)), rng)
    written += captions.pair(written[:100], written[100:200], rng)
    used = {word for caption in written for word in caption.split()}
    assert used == set(VOCABULARY[1:])
    for caption in written:
        article, word = caption.split()[:2]
        assert (article == "an") <= (word[0] in "aeiou") and (word != "eight" or article != "a")
    assert len(set(written)) > 3_000


def test_the_longest_caption_fits():
    class Always:  # a generator that chooses the long way each time
        def random(self, shape):
            return np.zeros(shape)

    (caption,) = captions.write([8], [[2, 2, 2]], Always())
    assert len(caption.split()) == 10 and captions.tokens([caption]).shape == (1, LENGTH)


def test_pairs_say_who_is_above(rng):
    upper, lower = ["a thin three"] * 50, ["a seven"] * 50
    said = set(captions.pair(upper, lower, rng))
    assert said == {f"a thin three {place} a seven" for place in ("above", "over")} | {
        f"a seven {place} a thin three" for place in ("below", "under")
    }
    assert captions.tokens(list(said)).shape == (4, LENGTH)


def test_padding_stands_in_front():
    rows = captions.tokens(["a seven", "a thick seven leaning right"])
    assert rows.dtype == np.int32 and rows.shape == (2, LENGTH)
    assert (rows[:, -1] > 0).all() and (np.diff((rows > 0).astype(int)) >= 0).all()
    spoken = [[VOCABULARY[token] for token in row if token] for row in rows]
    assert spoken == [["a", "seven"], ["a", "thick", "seven", "leaning", "right"]]


def test_case_numerals_and_punctuation_do_not_matter():
    assert (captions.tokens(["A thick 7!"]) == captions.tokens(["a thick seven"])).all()


def test_unknown_words_get_their_nearest():
    with pytest.raises(ValueError, match=r'"thikc" \(nearest: thick.*"sevn" \(nearest: seven'):
        captions.tokens(["a seven", "a thikc sevn"])
    with pytest.raises(ValueError, match=r'know "кот"\. Known words: zero, one'):
        captions.words("a кот")


@pytest.mark.parametrize("caption", ["", " ,. ", "a " * (LENGTH + 1)])
def test_captions_of_no_or_too_many_words_are_refused(caption):
    with pytest.raises(ValueError, match=f"words, expected 1 to {LENGTH}"):
        captions.tokens([caption])


def test_one_string_is_not_a_list_of_captions():
    with pytest.raises(TypeError, match="a list of them"):
        captions.tokens("a seven")


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("a thick", "names 0 digits"),
        ("a three above a seven", "names 2 digits"),
        ("a thin fat seven", "asks for thin and for fat"),
        ("a seven leaning left right", "asks for left and for right"),
    ],
)
def test_captions_that_ask_for_nothing_clear_are_refused(caption, message):
    captions.tokens([caption])  # a network may be told so all the same
    with pytest.raises(ValueError, match=message):
        captions.read([caption])


def test_write_refuses_what_is_no_level(rng):
    with pytest.raises(ValueError, match="levels has shape"):
        captions.write([1, 2], [[0, 0, 0]], rng)
    with pytest.raises(ValueError, match="levels has shape"):
        captions.write([1], [[0, 0, 3]], rng)
    with pytest.raises(ValueError, match="from 0 to 9"):
        captions.write([10], [[0, 0, 0]], rng)


def test_score_counts_only_what_was_asked(rng):
    asked, found = rng.integers(-1, 3, size=(2, 500, 3))
    found = np.maximum(found, 0)
    for column, name in enumerate(ATTRIBUTES):
        pairs = [(a, f) for a, f in zip(asked[:, column], found[:, column], strict=True) if a >= 0]
        expected = sum(a == f for a, f in pairs) / len(pairs)
        assert captions.score(asked, found)[name] == pytest.approx(expected)
    with pytest.raises(ValueError, match="not the same"):
        captions.score(asked, found[:1])


def test_every_level_has_a_name():
    assert len(LEVELS) == len(ATTRIBUTES) and all(len(names) == 3 for names in LEVELS)
    assert len(set(VOCABULARY)) == len(VOCABULARY)
