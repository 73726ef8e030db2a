"""The error tree. Every error that a person may see says what happened, why, and what to do.

EdgefaceError
├── ConfigError            a setting is unknown, malformed or contradicts another one
├── CameraError
│   ├── CameraUnavailable  the camera can't be opened, or vanished; trying again may help
│   ├── CameraStalled      the camera is open but gave no frame in time
│   └── EndOfStream        a recorded source has no more frames (not a fault)
├── ReaderUnavailable      a card reader or keypad can't be opened, or was pulled out
├── SourceError            a photo, a clip or a scene file can't be read
├── ModelError             a model is missing, altered, or of another specification
├── LinkError
│   ├── LinkUnavailable    there is no connection to the broker; it is tried again
│   └── LinkBusy           too much is on its way to the broker already; try again shortly
├── MessageRefused         what came over the link was refused; has its reason (domain/refusal.py)
├── DoorError
│   ├── DoorUnavailable    the door process or its pin can't be reached
│   └── GrantRefused       the door process refused a grant (lockdown, fault, cap, repeated id)
├── GalleryError
│   ├── KeyRejected        the device key is missing, lax in its mode, or not this gallery's
│   ├── RecordDamaged      one person's record doesn't authenticate; the others work
│   ├── RecordConflict     a record would go back in its sequence, or stands under another id
│   └── PersonUnknown      no such person
├── EnrolmentError         the pictures give no sound template; carries a reason for each picture
├── StorageError           the disk is full or read-only, or a file can't be written durably
│   └── TracesRemain       a removal is in force, but what it removed is not overwritten yet
├── AuditBroken            the audit chain doesn't verify
└── ControlError           the running daemon can't be reached, or refused a request
"""

from __future__ import annotations


class EdgefaceError(Exception):
    """Root of the tree. `message` is a sentence; `advice` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class ConfigError(EdgefaceError):
    exit_code = 78  # EX_CONFIG


class CameraError(EdgefaceError):
    exit_code = 69  # EX_UNAVAILABLE


class CameraUnavailable(CameraError):
    pass


class CameraStalled(CameraError):
    pass


class EndOfStream(CameraError):
    pass


class ReaderUnavailable(EdgefaceError):
    exit_code = 69


class SourceError(EdgefaceError):
    exit_code = 66  # EX_NOINPUT


class ModelError(EdgefaceError):
    exit_code = 78


class LinkError(EdgefaceError):
    exit_code = 69


class LinkUnavailable(LinkError):
    """`code` says which fault it is, one of adapters.link.faults.CODES."""

    def __init__(self, message: str, advice: str = "", code: str = "network") -> None:
        super().__init__(message, advice)
        self.code = code


class LinkBusy(LinkError):
    pass


class DoorError(EdgefaceError):
    exit_code = 69


class DoorUnavailable(DoorError):
    pass


class GrantRefused(DoorError):
    """`code` is one of the door socket's refusal codes (docs/design.md)."""

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.code = code


class GalleryError(EdgefaceError):
    exit_code = 65  # EX_DATAERR


class KeyRejected(GalleryError):
    exit_code = 77  # EX_NOPERM


class RecordDamaged(GalleryError):
    pass


class RecordConflict(GalleryError):
    pass


class PersonUnknown(GalleryError):
    pass


class EnrolmentError(EdgefaceError):
    """`reasons` has one (source, sentence) pair for each picture that was refused."""

    exit_code = 65

    def __init__(self, message: str, advice: str = "", reasons: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message, advice)
        self.reasons = reasons


class StorageError(EdgefaceError):
    exit_code = 74  # EX_IOERR


class TracesRemain(StorageError):
    pass


class AuditBroken(EdgefaceError):
    exit_code = 65


class ControlError(EdgefaceError):
    exit_code = 69
