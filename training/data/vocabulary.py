"""The words of the starter's world: what can be drawn, on what, and how it may be said.

Each object is one glyph of the font Noto Color Emoji (SIL OFL 1.1); the emoji's Unicode short name is
shortened to the words people type. The tables know no pixels and no networks.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """One kind of object: its glyph, and its names (the first is canonical, the rest are synonyms)."""

    glyph: str
    names: tuple[str, ...]
    plurals: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.names[0]


def plural_of(noun: str) -> str:
    """English plural of a noun phrase, by its last word."""
    head, _, last = noun.rpartition(" ")
    irregular = {
        "loaf": "loaves", "mouse": "mice", "goose": "geese", "fish": "fish", "sheep": "sheep",
        "wolf": "wolves",
        "leaf": "leaves",
        "knife": "knives", "tooth": "teeth", "bus": "buses", "cactus": "cactuses", "octopus": "octopuses",
        "snowman": "snowmen", "scissors": "scissors", "deer": "deer", "calf": "calves", "foot": "feet",
        "glasses": "glasses", "fries": "fries",
        "headphones": "headphones", "bread": "breads", "squid": "squid",
    }  # fmt: skip
    if " of " in noun:  # "cup of coffee" -> "cups of coffee"
        first, rest = noun.split(" of ", 1)
        return f"{plural_of(first)} of {rest}"
    if last in irregular:
        word = irregular[last]
    elif last.endswith(("s", "x", "ch", "sh")) or last in {"tomato", "potato", "mango"}:
        word = last + "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        word = last[:-1] + "ies"
    else:
        word = last + "s"
    return f"{head} {word}".strip()


# glyph, then names separated by "/"
_TABLE = """
🐱 cat/cat face/kitten
🐶 dog/dog face/puppy
🐰 rabbit/bunny
🦊 fox
🐻 bear
🐼 panda
🐯 tiger
🦁 lion
🐮 cow
🐷 pig
🐸 frog
🐵 monkey
🐔 chicken/hen
🐧 penguin
🦉 owl
🦆 duck
🐺 wolf
🐴 horse
🦄 unicorn
🐝 bee/honeybee
🦋 butterfly
🐌 snail
🐞 ladybug/lady beetle
🐢 turtle
🐍 snake
🐙 octopus
🦀 crab
🐟 fish
🐬 dolphin
🐳 whale
🦈 shark
🐊 crocodile
🐘 elephant
🦒 giraffe
🐑 sheep
🦇 bat
🦜 parrot
🦩 flamingo
🍎 red apple/apple
🍏 green apple
🍐 pear
🍊 orange fruit/tangerine/mandarin
🍋 lemon
🍌 banana
🍉 watermelon
🍇 grape
🍓 strawberry
🍒 cherry
🍑 peach
🍍 pineapple
🍅 tomato
🍆 eggplant/aubergine
🥑 avocado
🥕 carrot
🌽 corn/ear of corn
🌶️ chili/hot pepper
🍄 mushroom
🍞 bread/loaf of bread
🥐 croissant
🧀 cheese
🍔 burger/hamburger
🍕 pizza/slice of pizza
🌭 hot dog
🌮 taco
🍟 french fries/fries
🥚 egg
🍿 popcorn
🍩 donut/doughnut
🍪 cookie/biscuit
🎂 cake/birthday cake
🧁 cupcake
🍦 ice cream
🍭 lollipop
☕ cup of coffee/coffee
🍺 mug of beer/beer
🌹 rose
🌻 sunflower
🌷 tulip
🌵 cactus
🌲 pine tree/evergreen tree
🌳 tree/deciduous tree
🌴 palm tree
🍁 maple leaf
🍀 four leaf clover/clover
🌙 crescent moon/moon
☀️ sun
⭐ star
🌈 rainbow
☁️ cloud
⚡ lightning bolt/lightning
❄️ snowflake
🔥 fire/flame
💧 water drop/droplet
⛄ snowman
🚗 red car/car
🚙 blue car
🚕 taxi
🚌 bus
🚑 ambulance
🚒 fire truck/fire engine
🚜 tractor
🚲 bicycle/bike
🚂 train/locomotive
✈️ airplane/plane
🚁 helicopter
🚀 rocket
⛵ sailboat/boat
⚓ anchor
🏠 house
🏰 castle
⛺ tent
💡 light bulb
🔑 key
🔒 lock
📕 red book/closed book
📗 green book
📘 blue book
✏️ pencil
📷 camera
💻 laptop/computer
📱 phone/mobile phone
🔔 bell
🎈 balloon/red balloon
🎁 gift/present
👑 crown
💎 diamond/gem
🎩 top hat
👓 glasses
👟 shoe/sneaker
👕 shirt/t-shirt
🎒 backpack
☂️ umbrella
⚽ soccer ball/football
🏀 basketball
🎾 tennis racket
🏆 trophy
🎸 guitar
🎺 trumpet
🥁 drum
🎲 die/dice
🧸 teddy bear
🤖 robot
👻 ghost
💀 skull
🎃 pumpkin/jack-o-lantern
👽 alien
😀 smiley/smiling face/grinning face
❤️ red heart/heart
💙 blue heart
🔴 red circle
🔵 blue circle
🟢 green circle
🟡 yellow circle
🟦 blue square
"""

THINGS: tuple[Thing, ...] = tuple(
    Thing(glyph, names := tuple(words.split("/")), tuple(plural_of(name) for name in names))
    for glyph, words in (line.split(" ", 1) for line in _TABLE.strip().splitlines())
)

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 48, 49), "orange": (245, 135, 32), "yellow": (250, 214, 58), "green": (58, 166, 85),
    "teal": (32, 150, 150), "blue": (44, 98, 214), "purple": (128, 62, 178), "pink": (246, 150, 190),
    "brown": (132, 88, 52), "grey": (140, 144, 150), "black": (24, 24, 28), "white": (246, 246, 244),
}  # fmt: skip
COLOUR_SYNONYMS: dict[str, tuple[str, ...]] = {"grey": ("grey", "gray"), "teal": ("teal", "turquoise")}

SETTINGS: dict[str, tuple[str, ...]] = {
    "meadow": ("on grass under a blue sky", "on a meadow", "on the grass", "on green grass under the sky"),
    "sea": ("at sea", "on the sea", "in the sea", "on the water"),
    "night": (
        "under a night sky with stars",
        "in a starry night",
        "at night under the stars",
        "in the night sky",
    ),
    "snow": ("in the snow", "on snow", "in a snowy landscape"),
    "desert": ("in the desert", "on sand", "on desert sand"),
}

STYLES: dict[str, tuple[str, ...]] = {
    "pixel art": ("pixel art", "pixel art style", "8-bit pixel art"),
    "pencil sketch": ("pencil sketch", "pencil drawing", "sketch"),
    "neon": ("neon", "neon style", "neon glow"),
    "watercolour": ("watercolour", "watercolor", "watercolour painting"),
}

RELATIONS: dict[str, tuple[str, ...]] = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
}
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

NUMBERS: dict[int, tuple[str, ...]] = {1: ("one",), 2: ("two", "2"), 3: ("three", "3")}
SIZES: dict[str, tuple[str, ...]] = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
