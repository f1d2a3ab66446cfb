"""Models that are loaded, or being loaded, each once. It knows names and threads; not jobs.

Loading happens in a thread of its own, one model at a time, so that pictures of models that are there go on.
"""

import gc
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import lru_cache
from typing import Any

import torch

from adapters import Seen
from models import Context, ModelError, Parts, with_vae
from pipelines import Folders, checking, story
from pipelines.counted import Counted, counted
from pipelines.draw import coded, encode
from pipelines.prompt import Wildcards
from pipelines.recipe import Recipe, RecipeError
from pipelines.requests import EncodeImage, EncodeReference, EncodeText, Pipeline, Prepare
from pipelines.texts import loras_said

NO_FOLDERS = Folders()
VAES_KEPT = 2  # of one model, beside its own
SEEN_KEPT = 16  # reference pictures of one model, as its IP-Adapters see them: 6 MB each with SDXL
IMAGES_KEPT = 4  # encoded ones of one model
PREPARED_KEPT = 2  # canvases of one model: 128 MB each at 16 megapixels
NUMBERS_KEPT = 1 << 24  # of the encoded texts of one model: 64 MiB, 141 pairs of 77 x 768


class Loaded:
    """A model, made ready, and the texts it encoded lately.

    A tokenizer is no thing for two threads at once, so what uses it is here, one at a time.
    """

    def __init__(
        self,
        parts: Parts,
        folders: Folders = NO_FOLDERS,
        vaes: Callable[[Parts, str], Parts] = with_vae,
    ) -> None:
        self.parts = parts
        self._vaes = vaes
        self._with_vae: OrderedDict[str, Parts] = OrderedDict()
        self._materials = folders.of(parts)
        self._tokenizing = threading.Lock()
        self.see = lru_cache(SEEN_KEPT)(_see)
        self._kept = 0  # numbers
        self._contexts: OrderedDict[EncodeText, Context] = OrderedDict()
        self._preparing = threading.Lock()
        self._prepared: OrderedDict[Hashable, Any] = OrderedDict()
        self._images: OrderedDict[tuple[str, bytes], torch.Tensor] = OrderedDict()
        parts.preview(
            torch.zeros(1, parts.latent_channels, 8, 8, device=parts.device)
        )  # fits it where none is kept

    def check(self, recipe: Recipe) -> None:
        """Raises ``RecipeError`` for what this model cannot draw."""
        self._bring(recipe)
        checks, answer = checking(recipe, self.parts_of(recipe), self._materials), None
        while True:
            try:
                answer = self.prepare(checks.send(answer))
            except StopIteration:
                return

    def prepare(self, request: Prepare) -> Any:
        """What ``request`` makes, in whichever thread. Raises what it raises."""
        with torch.inference_mode():
            if request.key is None:
                with self._tokenizing if request.words else nullcontext():
                    return request.make()
            with self._preparing:
                if request.key not in self._prepared:
                    self._prepared[request.key] = request.make()
                    while len(self._prepared) > PREPARED_KEPT:
                        self._prepared.popitem(last=False)
                self._prepared.move_to_end(request.key)
                return self._prepared[request.key]

    def pipeline(self, recipe: Recipe) -> Pipeline:
        """Its generator of requests. Raises ``RecipeError``."""
        self._bring(recipe)
        with self._tokenizing:
            return story(recipe, self.parts_of(recipe), self._materials)

    def notes(self, recipe: Recipe) -> tuple[str, ...]:
        """What a person should know of a picture by ``recipe`` (of one picture), a plain sentence each.

        Raises ``RecipeError``.
        """
        return (*self.parts_of(recipe).notes, *loras_said(recipe, self._materials))

    def parts_of(self, recipe: Recipe) -> Parts:
        """The model with the VAE that ``recipe`` wants. Raises ``RecipeError``."""
        if not recipe.vae or recipe.upscale is not None:
            return self.parts
        if recipe.vae not in self._with_vae:
            try:
                self._with_vae[recipe.vae] = self._vaes(self.parts, recipe.vae)
            except ModelError as error:
                raise RecipeError(f"VAE: {error}") from None
            while len(self._with_vae) > VAES_KEPT:
                self._with_vae.popitem(last=False)
        self._with_vae.move_to_end(recipe.vae)
        return self._with_vae[recipe.vae]

    def _bring(self, recipe: Recipe) -> None:
        """Read its ControlNets and IP-Adapters, which are large, before the lock is taken; what is wrong is
        said later."""
        for read, names in (
            (self._materials.controlnet, [control.net for control in recipe.controls]),
            (self._materials.ip_adapter, [one.adapter for one in recipe.references]),
            (self._materials.upscaler, [recipe.upscale.upscaler] if recipe.upscale else []),
        ):
            if read is not None:
                with suppress(ValueError):
                    for name in names:
                        read(name)

    def counted(self, text: str, joins: bool, wildcards: Wildcards) -> Counted:
        """How long ``text`` is to this model."""
        with self._tokenizing:
            return counted(text, joins, wildcards, self.parts, self._materials)

    def encode(self, request: EncodeText) -> Context:
        """The context of the texts of one request.

        Kept by request, not by text: how long the rows are depends on the longest text among them.
        """
        if request not in self._contexts:
            with self._tokenizing:
                self._contexts[request] = encode(request, self.parts)
            self._kept += self._contexts[request].hidden.numel()
            while self._kept > NUMBERS_KEPT and len(self._contexts) > 1:
                self._kept -= self._contexts.popitem(last=False)[1].hidden.numel()
        self._contexts.move_to_end(request)
        return self._contexts[request]

    def encode_image(self, request: EncodeImage, recipe: Recipe) -> torch.Tensor:
        """The latents of its pictures by the VAE of ``recipe``; the pictures of an edit share them."""
        key = (
            f"{recipe.vae} {request.seamless}",
            hashlib.sha256(request.pixels.cpu().numpy().tobytes()).digest(),
        )
        if key not in self._images:
            self._images[key] = coded(request, self.parts_of(recipe))
            while len(self._images) > IMAGES_KEPT:
                self._images.popitem(last=False)
        self._images.move_to_end(key)
        return self._images[key]


def _see(request: EncodeReference) -> Seen:
    return request.adapter.see(request.picture)


class Shelf:
    """At most ``room`` loaded models; the one unused for longest makes place before another is loaded.

    ``in_use`` are the names of those that are drawing, which stay. ``ready`` is called, in the loader's
    thread, after each load.
    """

    def __init__(
        self,
        load: Callable[[str], Parts],
        room: int,
        ready: Callable[[], None],
        folders: Folders = NO_FOLDERS,
        in_use: Callable[[], Collection[str]] = tuple,
        vaes: Callable[[Parts, str], Parts] = with_vae,
    ) -> None:
        self._load = load
        self._folders = folders
        self._room = room
        self._ready = ready
        self._in_use = in_use
        self._vaes = vaes
        self._lock = threading.Lock()
        self._dropped = False  # since the last load
        self._loads: OrderedDict[str, Future[Loaded]] = OrderedDict()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="atelier-loader")

    def want(self, name: str) -> Future[Loaded]:
        """The model, which begins to load unless it is there or on its way."""
        with self._lock:
            if name in self._loads:
                return self._loads[name]
            self._make_room(name, coming=1)
            future = self._loads[name] = self._loader.submit(self._bring, name)
        # Not under the lock: a load that ended by now calls back here, and that may wait for another lock.
        future.add_done_callback(lambda _: self._ready())
        return future

    def take(self, name: str) -> Loaded | None:
        """The model, or None while it loads. Raises what loading raised, once; then it is tried again."""
        future = self.want(name)
        if not future.done():
            return None
        with self._lock:
            if future.exception() is not None:
                self._loads.pop(name, None)
            elif name in self._loads:
                self._loads.move_to_end(name)
                self._make_room(name)
        return future.result()

    def drop(self, name: str) -> None:
        """Forget the model, as it would be another now. What is drawing with it goes on."""
        with self._lock:
            self._loads.pop(name, None)

    def peek(self, name: str) -> Loaded | None:
        """The model if it is loaded; starts nothing."""
        with self._lock:
            future = self._loads.get(name)
            if future is None or not future.done() or future.exception() is not None:
                return None
            return future.result()

    def close(self) -> None:
        """Wait for the load that runs, start no other."""
        self._loader.shutdown(wait=True, cancel_futures=True)

    def _bring(self, name: str) -> Loaded:
        """Runs in the loader's thread."""
        if self._dropped:
            self._dropped = False
            gc.collect()  # networks are in cycles, and their memory is wanted now
        return Loaded(self._load(name), self._folders, self._vaes)

    def _make_room(self, name: str, coming: int = 0) -> None:
        keep = {name, *self._in_use()}
        idle = [name for name, future in self._loads.items() if future.done() and name not in keep]
        for name in idle[: max(0, len(self._loads) + coming - self._room)]:
            del self._loads[name]
            self._dropped = True
