"""Parsing: what a prompt names becomes one scene, in which each colour belongs to something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.models.generation.studio import vocabulary
from pipeline.models.generation.studio.backdrops import BACKDROPS
from pipeline.models.generation.studio.colors import Rgb, blend, luminance
from pipeline.models.generation.studio.prompt_reading import Kind, NamedThing, read
from pipeline.models.generation.studio.scene import Key, Scene
from pipeline.models.generation.studio.vocabulary import Mood, Stuff

_NEUTRAL: Rgb = (0.70, 0.685, 0.665)  # the studio's own paper, a warm light grey
_OWNERS = frozenset((Kind.STUFF, Kind.STAND, Kind.BEHIND, Kind.WALL, Kind.SWEEP, Kind.BACKDROP))


@dataclass(slots=True)
class _Draft:
    """What has been said so far."""

    stuff: Stuff | None = None
    stands: bool = False
    stand_stuff: Stuff | None = None
    stand_rgb: Rgb | None = None
    backdrop: str = ""
    wall: Stuff | None = None
    behind_rgb: Rgb | None = None
    moods: list[Mood] = field(default_factory=list)
    light: dict[str, Any] = field(default_factory=dict)
    lights: bool = False
    accents: tuple[Rgb, ...] = ()
    words: list[str] = field(default_factory=list)


def parse(prompt: str) -> Scene:
    """Read a prompt as a photographer's assistant would set it up.

    >>> scene = parse("white marble table, sage wall, window light")
    >>> scene.surface, scene.backdrop, scene.key.gobo
    ('marble', 'wall', 'window')
    >>> scene.understood
    ('white', 'marble', 'table', 'sage', 'wall', 'window', 'light')
    """
    draft = _Draft()
    for clause in _clauses(read(prompt)):
        _hear(draft, clause)
    return _settle(draft)


def _clauses(named: Sequence[NamedThing]) -> list[list[NamedThing]]:
    clauses: list[list[NamedThing]] = [[]]
    for one in named:
        if one.kind is Kind.BREAK:
            clauses.append([])
        else:
            clauses[-1].append(one)
    return [clause for clause in clauses if clause]


def _hear(draft: _Draft, clause: list[NamedThing]) -> None:
    for index, one in enumerate(clause):
        match one.kind:
            case Kind.STUFF:
                behind = _is_behind(clause, index)
                used = _stuff(draft, vocabulary.STUFFS[one.phrase], behind=behind)
            case Kind.BACKDROP:
                used = _place(draft, vocabulary.BACKDROPS[one.phrase])
            case Kind.COLOR:
                used = _color(draft, clause, index)
            case Kind.UNKNOWN | Kind.BREAK:
                used = False
            case _:
                _aside(draft, one)
                used = True
        if used:
            draft.words.extend(one.words)


def _stuff(draft: _Draft, stuff: Stuff, *, behind: bool) -> bool:
    """Use a material where it is said to be, or on the ground; the first one said wins."""
    if behind and draft.wall is None:
        draft.wall, draft.backdrop = stuff, draft.backdrop or "wall"
        return True
    if draft.stuff is None:
        draft.stuff = stuff
        return True
    return False


def _place(draft: _Draft, place: str) -> bool:
    draft.lights |= place == "bokeh"
    # Lights alone are what a place is seen through, never in place of it.
    if draft.backdrop in ("", "wall", "bokeh"):
        draft.backdrop = place
        return True
    return place in ("bokeh", draft.backdrop)


def _aside(draft: _Draft, one: NamedThing) -> None:
    """What neither needs its neighbours nor can be crowded out by them."""
    match one.kind:
        case Kind.STAND:
            draft.stands = True
            draft.stand_stuff = draft.stand_stuff or vocabulary.STANDS[one.phrase]
        case Kind.WALL:
            draft.backdrop = draft.backdrop or "wall"
        case Kind.MOOD:
            draft.moods.append(vocabulary.MOODS[one.phrase])
            draft.light.update(vocabulary.LIGHTS.get(one.phrase, {}))
        case Kind.LIGHT:
            draft.light.update(vocabulary.LIGHTS[one.phrase])
        case _:
            pass  # background, studio: they say that there is a backdrop, and there always is


def _is_behind(clause: list[NamedThing], index: int) -> bool:
    """Whether a material is of a wall: `brick wall`, `wall of brick`, `velvet curtain`."""
    around = [*clause[index + 1 :], *reversed(clause[:index])]
    kinds = (one.kind for one in around)
    nearest = next((k for k in kinds if k in (Kind.STAND, Kind.BEHIND, Kind.WALL)), Kind.STAND)
    return nearest is not Kind.STAND


def _color(draft: _Draft, clause: list[NamedThing], index: int) -> bool:
    """Give a colour to the noun after it, else to the one before it, else to what is behind.

    Returns:
        Whether it had an effect: `red` of `red roses` has none, the studio having no roses.
    """
    rgb = clause[index].rgb
    assert rgb is not None
    if index + 1 < len(clause) and clause[index + 1].kind is Kind.UNKNOWN:
        return False
    around = [*range(index + 1, len(clause)), *range(index - 1, -1, -1)]
    owner = next((i for i in around if clause[i].kind in _OWNERS), None)
    kind = clause[owner].kind if owner is not None else Kind.BEHIND
    if kind is Kind.STAND or (kind is Kind.STUFF and not _is_behind(clause, owner or 0)):
        if draft.stand_rgb is not None:
            return False
        draft.stand_rgb = rgb
    elif kind is Kind.BACKDROP and (draft.lights or "bokeh" in _places(clause)):
        lamp = vocabulary.LIGHT_COLORS.get(clause[index].phrase, rgb)
        draft.accents = (*draft.accents, lamp)
    elif draft.behind_rgb is None:
        draft.behind_rgb = rgb
    else:
        return False
    return True


def _places(clause: list[NamedThing]) -> set[str]:
    return {vocabulary.BACKDROPS[one.phrase] for one in clause if one.kind is Kind.BACKDROP}


def _settle(draft: _Draft) -> Scene:
    mood = _merged(draft.moods)
    light = dict(mood.light) | draft.light
    # A colour or a wall that was named leaves no room for the place a mood suggests.
    named_behind = draft.backdrop or ("wall" if draft.behind_rgb and mood.backdrop else "")
    backdrop = named_behind or mood.backdrop
    stuff = draft.stuff or draft.stand_stuff or (None if draft.stands else mood.stuff)
    if not backdrop and stuff is None:
        return _sweep(draft, light)
    around = vocabulary.AROUND.get(stuff.surface, "wall") if stuff else "wall"
    backdrop = backdrop or ("wall" if draft.behind_rgb else around)
    place = BACKDROPS.get(backdrop)
    if stuff is None and place is not None:
        stuff = Stuff(place.surface, place.surface_tone)
    mood_tone = mood.backdrop_tone if backdrop == mood.backdrop else None
    own = draft.wall.tone if draft.wall else (place.tone if place else None)
    surface_tone = draft.stand_rgb or (stuff.tone if stuff else None)
    behind = draft.behind_rgb or mood_tone or own or _wall_for(surface_tone or _NEUTRAL)
    # Under a bare wall and nothing else stands a plane of the wall's own paint.
    stuff = stuff or Stuff("plain", _pigment(behind))
    return Scene(
        surface=stuff.surface,
        surface_tone=_pigment(draft.stand_rgb) if draft.stand_rgb else stuff.tone,
        backdrop=backdrop,
        # Only what somebody painted is paint: sky, leaves and rooms have their own colours.
        backdrop_tone=_pigment(behind) if backdrop == "wall" else _attainable(behind),
        wall=draft.wall.surface if draft.wall else "plaster",
        accents=draft.accents or mood.accents,
        lights=(draft.lights or mood.lights) and backdrop != "bokeh",
        key=replace(Key(), **light),
        understood=_unique(draft.words),
    )


def _sweep(draft: _Draft, light: dict[str, Any]) -> Scene:
    tone = draft.behind_rgb or draft.stand_rgb or _NEUTRAL
    gobo = bool(light.get("gobo"))
    return Scene(
        surface="plain" if gobo else "sweep",
        surface_tone=_attainable(tone),
        backdrop="wall" if gobo else "sweep",
        backdrop_tone=_attainable(tone),
        wall="plaster",
        key=replace(Key(), **light),
        understood=_unique(draft.words),
    )


def _merged(moods: Sequence[Mood]) -> Mood:
    """The first mood decides; later ones fill in what it leaves open."""
    merged = Mood()
    for mood in reversed(moods):
        merged = Mood(
            stuff=mood.stuff or merged.stuff,
            backdrop=mood.backdrop or merged.backdrop,
            backdrop_tone=mood.backdrop_tone if mood.backdrop else merged.backdrop_tone,
            accents=mood.accents or merged.accents,
            lights=mood.lights or merged.lights,
            light=dict(merged.light) | dict(mood.light),
        )
    return merged


def _wall_for(tone: Rgb) -> Rgb:
    """A quiet wall that lets a surface stand out: its hue, nearly grey, on the other side of it."""
    bright = luminance(tone)
    grey: Rgb = (0.62, 0.6, 0.57) if bright < 0.45 else (0.46, 0.44, 0.42)
    if bright < 0.06:
        grey = (0.085, 0.083, 0.082)
    return blend(grey, tone, 0.12)


def _attainable(rgb: Rgb) -> Rgb:
    """No paint is blacker than soot or reflects more than it receives."""
    r, g, b = (min(max(c, 0.006), 1.0) for c in rgb)
    return r, g, b


def _pigment(rgb: Rgb) -> Rgb:
    """A colour as paint can have it: a screen's primaries are purer than any pigment."""
    grey = luminance(rgb)
    strength = max(rgb) - min(rgb)
    r, g, b = blend(rgb, (grey, grey, grey), 0.22 * strength / max(*rgb, 0.05) + 0.03)
    dim = 1 - 0.3 * strength
    return _attainable((0.88 * dim * r, 0.88 * dim * g, 0.88 * dim * b))


def _unique(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
