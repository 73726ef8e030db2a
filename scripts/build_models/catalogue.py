"""What each model is: the part of the manifest that is decided, not measured."""

from __future__ import annotations

from typing import Any

from scripts.build_models.source import PACKAGE, VERSION

GOOGLE = "Apache-2.0"
OWN = "Apache-2.0"
_FROM_PACKAGE = (
    f"Google MediaPipe's float weights as carried by the package {PACKAGE} {VERSION} on the Python registry, file "
    "{file}.tflite"
)
_QUANTISED = (
    "; half-precision weights folded to float32, ReLUs fused, then static int8 (ai-edge-quantizer: weights a channel, "
    "activations a tensor, channels of the depthwise convolutions equalised, the output heads "
    "left float32), calibrated on faces of Labeled Faces in the Wild"
)

BLAZEFACE_PREPROCESSING = (
    "The whole frame, shrunk by area averaging into a black square (letterbox), RGB, a pixel p as (p - 128) / 127.5."
)
# MediaPipe's own is [-1, 1]. Half a grey level lower makes the int8 input exactly p - 128: no rounding at all.
DETECTOR_RANGE = [-128 / 127.5, 127 / 127.5]

CATALOGUE: tuple[dict[str, Any], ...] = (
    {
        "id": "blazeface-short-1",
        "what": (
            "BlazeFace, short range: faces and six key points, up to about two metres from a usual camera. The "
            "default: three times as fast as full range."
        ),
        "limits": (
            "A face must be about an eighth of the frame's longer side (80 pixels of 640) to be found surely; "
            "farther people need `blazeface-full-1`. Animals' faces count as faces (the pictures without people "
            "hold many dogs and monkeys). Measured with the second look of "
            "`edgeface/adapters/vision/blazeface.py`. Whom it finds less well (age, skin, veils, masks) was not "
            "measured here. On x86 the float original is as fast; int8 is for the ARM cores of the boards."
        ),
        "version": 1,
        "role": "detector",
        "default": True,
        "file": "blazeface_short.tflite",
        "source": "face_detection_short_range",
        "colour": "RGB",
        "range": DETECTOR_RANGE,
        "outputs": ["regressors", "classifiers"],
        "preprocessing": BLAZEFACE_PREPROCESSING,
        "licence": GOOGLE,
        "provenance": _FROM_PACKAGE.format(file="face_detection_short_range") + _QUANTISED,
    },
    {
        "id": "blazeface-full-1",
        "what": ("BlazeFace, full range: sees faces half as large as short range does, to about five metres."),
        "limits": (
            "Slower, and its key points are a little coarser on near faces. Its box begins higher on the forehead"
            " than that of short range: spoof crops differ a little, and the spoof model was trained on short "
            "range. Whom it finds less well was not measured here."
        ),
        "version": 1,
        "role": "detector",
        "file": "blazeface_full.tflite",
        "source": "face_detection_full_range",
        "colour": "RGB",
        "range": DETECTOR_RANGE,
        "outputs": ["regressors", "classifiers"],
        "preprocessing": BLAZEFACE_PREPROCESSING,
        "licence": GOOGLE,
        "provenance": _FROM_PACKAGE.format(file="face_detection_full_range") + _QUANTISED,
    },
    {
        "id": "facemesh-1",
        "what": ("FaceMesh: 468 points of the face's surface, with depth, and whether a face is there at all."),
        "limits": (
            "Kept in float32: as int8 (PReLU rewritten, heads left float) it was half as slow again on x86 and "
            "moved the points by what the table says, in shares of the distance between the outer corners of the "
            "eyes. Its eyelids hardly follow a blink. Depth is relative."
        ),
        "version": 1,
        "role": "landmarks",
        "default": True,
        "file": "facemesh.tflite",
        "source": "face_landmark",
        "colour": "RGB",
        "range": [0.0, 1.0],
        "outputs": ["points", "presence"],
        "preprocessing": (
            "A square 1.5 times the longer side of BlazeFace's box, about its centre, turned until the line of "
            "the eyes is level, warped to 192x192, RGB, a pixel p as p / 255."
        ),
        "licence": GOOGLE,
        "provenance": (
            _FROM_PACKAGE.format(file="face_landmark")
            + "; left in float32: in int8 it is slower and less exact (see the card)"
        ),
    },
    {
        "id": "spoof-0",
        "what": (
            "Version 0 of our own model against presentation attacks (prints, screens). **It serves to build with"
            " and nothing more: do not rely on it at a real door.**"
        ),
        "limits": (
            "It knows NUAA's room and press photos. On another set, with people, rooms and cameras that it had "
            "never seen, at limit 0.5, it refused 46 to 47 % of live people and accepted 38 to 39 % of prints, 58"
            " % of screens and 55 % of phones (that set was measured with the float file and an earlier quantisation "
            "of the same weights). The other figures above are of NUAA subjects that it was trained on, and"
            " say only that the file works. Masks and injected video are not covered at all. It wants a smooth "
            "background and the face at least a sixth of the frame."
        ),
        "version": 0,
        "role": "spoof",
        "default": True,
        "file": "spoof.tflite",
        "own": "spoof_v0_f32.tflite",
        "colour": "RGB",
        "range": [0.0, 255.0],
        "outputs": ["logits"],
        "preprocessing": (
            "BlazeFace's box with a quarter of its height added above; a square three such faces wide, shifted to"
            " stay inside the picture, resized to 112x112, RGB, 0 to 255. Logits are [attack, -attack]; sigmoid "
            "of the first is the probability of an attack."
        ),
        "licence": OWN,
        "provenance": (
            "Our own, from random initialisation: 17 minutes on two cores; NUAA frames and press portraits (LFW) "
            "as live, NUAA prints and simulated prints and screens as attacks; static int8, the last layer "
            "float32"
        ),
    },
    {
        "id": "spoof-1",
        "what": (
            "Version 1 of our own model against presentation attacks (prints, screens, phones). **Not the default, and "
            "not good enough for a real door.** It refuses far fewer people than version 0 in rooms and before cameras "
            "that it never saw, and accepts more attacks there at limit 0.5."
        ),
        "limits": (
            "People, subjects and clips above were in no training; the clips called motion are those that validated. "
            "Simulated attacks are the demo's scenes, which share no code with training's simulator. On the same "
            "pictures version 0 accepts 24 % of the scenes' attacks at 2 % of people (this: 12 %), refuses 48 % of the "
            "scenes' people at limit 0.5 (this: 1 %), both people of the clips a and b on every frame (this: on 98 and "
            "44 % of frames) and 87 % of the motion clips (this: 4 %); but it accepts none of the clips' screens "
            "(this: 56 and 7 % of frames), and of NUAA's prints none, having been trained on these very subjects, as "
            "on these portraits. What is wanted, 2 % of attacks at 2 % of people, is reached on phones alone. Prints "
            "of NUAA's kind are known from four subjects; screens that fill the view and dim laptop cameras are the "
            "worst. "
            "Quantisation turns 3 % of the decisions at limit 0.5, where 0.2 is wanted. The test's figures were looked "
            "at three times, and the simulated cameras were widened once because of them; which weights to ship was "
            "decided on validation alone (others, of 1,800 steps, did better on the scenes, 7 %, and worse on NUAA, "
            "43 %). It saw few pictures. Skin tones, children, masks, make-up and injected video are not measured. It "
            "wants the face at least a sixth of the frame."
        ),
        "version": 1,
        "role": "spoof",
        "file": "spoof_1.tflite",
        "own": "spoof_f32.tflite",
        "pictures": "spoof_calibration.npz",
        "colour": "RGB",
        "range": [0.0, 255.0],
        "outputs": ["logits"],
        "preprocessing": (
            "BlazeFace's box with a quarter of its height added above; a square three such faces wide, shifted to"
            " stay inside the picture, resized to 128x128, RGB, 0 to 255. Logits are [attack, -attack]; sigmoid "
            "of the first is the probability of an attack."
        ),
        "licence": OWN,
        "provenance": (
            "Our own, from random initialisation: scripts/train, 131,000 pictures on one shared x86 core; live press "
            "portraits (LFW), NUAA, webcam clips and group photos, before their own and other backgrounds; NUAA prints "
            "and simulated prints, screens and phones as attacks; on the way it learned to guess the features of two "
            "MiniFASNets (minivision-ai/Silent-Face-Anti-Spoofing, Apache-2.0), none of whose weights are in it; "
            "static int8, the last layer float32"
        ),
    },
    {
        "id": "mobilefacenet-0",
        "what": ("Version 0 of our own embedder: MobileFaceNet, 128 numbers."),
        "limits": (
            "**The curve and the rates above are of people whose pictures were in its training** (with a "
            "teacher's embeddings, not with names). On identities that it never saw (3,036 other LFW photos): "
            "95.9 % of true pairs above the threshold of one false match in 1,000, 86.6 % at 1e-4, 73.5 % at "
            "1e-5. LFW itself has a few wrong names, which raise the thresholds at the strictest rates. News "
            "photos of public people of 2002 to 2004: mostly men, mostly adults, few dark-skinned; twins, "
            "siblings and children are not measured. Calibrated on single comparisons of still photos."
        ),
        "version": 0,
        "role": "embedder",
        "default": True,
        "file": "mobilefacenet.tflite",
        "own": "mobilefacenet_v0_f32.tflite",
        "colour": "RGB",
        "range": [0.0, 255.0],
        "outputs": ["embedding"],
        "preprocessing": (
            "Least-squares similarity (Umeyama) of BlazeFace's eyes, nose and mouth centre to the ArcFace "
            "template, 112x112, RGB, 0 to 255. The caller brings the vector to unit length."
        ),
        "licence": OWN,
        "provenance": (
            "Our own, from random initialisation: distilled in 80 minutes on two cores from a MobileFaceNet under"
            " Apache-2.0 (foamliu/MobileFaceNet) on 17,554 aligned faces (LFW, UTKFace, NUAA); static int8, the "
            "last layer float32"
        ),
    },
)
