"""What a person at the door is told about a refusal."""

from __future__ import annotations

from edgeface.domain.types import DenialReason

# For the person at the door: what happened and what to do, and nothing about who somebody is or which rule it was
# beyond what he must know.
SENTENCES: dict[DenialReason, str] = {
    DenialReason.UNKNOWN_PERSON: "Sorry, I do not recognise you. Please ask to be let in.",
    DenialReason.AMBIGUOUS: "Sorry, I can't tell for certain who you are. Please look straight at the camera.",
    DenialReason.UNDECIDED: "Sorry, I could not recognise you yet. Please stand still and look at the camera.",
    DenialReason.SPOOF: "I see a picture, not a person. Please show your own face.",
    DenialReason.LIVENESS_NOT_SHOWN: "I could not see that you are really here. Please look at the camera, try again.",
    DenialReason.LIVENESS_UNAVAILABLE: "The camera is too slow for the check right now. Please ask to be let in.",
    DenialReason.LEFT_VIEW: "You left the camera's view. Please stand in front of the camera until the door opens.",
    DenialReason.POOR_QUALITY: "I could not see your face well enough. Please come closer and look at the camera.",
    DenialReason.OUTSIDE_SCHEDULE: "You may not enter at this time. Please come back during your hours.",
    DenialReason.NOT_YET_VALID: "Your access has not begun yet. Please ask whoever enrolled you.",
    DenialReason.EXPIRED: "Your access has ended. Please ask whoever enrolled you.",
    DenialReason.NOT_ALLOWED_HERE: "Your access does not cover this door. Please use another one, or ask.",
    DenialReason.CLOCK_NOT_SET: "The door does not know the time yet. Please try again in a minute, or ask.",
    DenialReason.TRACK_LOCKED_OUT: "Too many tries. Please wait a little and try again, or ask to be let in.",
    DenialReason.DOOR_LOCKED_OUT: "This door is paused for a few minutes. Please wait, or ask to be let in.",
    DenialReason.COOLDOWN: "The door was opened for you a moment ago. Please wait a few seconds.",
    DenialReason.PASSBACK: "You went in a while ago. If you have left, please ask to be let in again.",
    DenialReason.FACTOR_MISSING: "A card or a PIN is needed too. Please show your card or enter your PIN.",
    DenialReason.WRONG_PIN: "That PIN is not right. Please try again.",
    DenialReason.UNKNOWN_CARD: "This card is not known here. Please use another one, or ask to be let in.",
    DenialReason.CARD_OF_ANOTHER: "Card and face do not belong together. Please use your own card.",
    DenialReason.FACE_NEEDED: "The card alone does not open this door. Please look at the camera too.",
    DenialReason.FACTOR_LOCKED_OUT: "Too many tries with card or PIN. Please wait a little, or ask to be let in.",
    DenialReason.LOCKDOWN: "This door is closed to everybody right now. Please follow the staff's instructions.",
    DenialReason.DOOR_FAULT: "The door's lock has a fault and can't open. Please tell the staff.",
    DenialReason.GALLERY_UNCONFIRMED: "The door has lost touch with its site and stays closed. Please tell the staff.",
    DenialReason.AUDIT_FAULT: "The door can't record entries right now and stays closed. Please tell the staff.",
}
