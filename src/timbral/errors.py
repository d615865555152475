"""What can go wrong through no fault of ours: each error says in one line what is wrong and what to do."""


class TimbralError(Exception):
    """Base of every error that a user's input can cause; its text is fit to be shown as it is."""


class TextError(TimbralError):
    """A text that cannot be spoken: empty, without a speakable character, or of an unknown language."""


class AudioError(TimbralError):
    """A recording that cannot be used (unreadable, silent, too short, too long) or written."""


class BundleError(TimbralError):
    """A model folder that is missing, incomplete, altered, or of an unknown format."""


class HubError(TimbralError):
    """A published model that cannot be had: no network, no room, or files that are not what they should be."""


class DataError(TimbralError):
    """Recordings, a list or a training set that cannot be used, or that nothing usable was found in."""


class VoiceError(TimbralError):
    """A voice that is unknown, unreadable or made for another model family."""


class CheckpointError(TimbralError):
    """A file of weights that is no checkpoint, damaged, unsafe, or of a network that is not known."""


class TrainingError(TimbralError):
    """A training that cannot start, go on or end: unusable recordings, a configuration that is wrong, a run that is damaged."""


class CompressionError(TimbralError):
    """A compression that cannot do what it was asked for: an unknown step, or a size that the model cannot have."""


class SynthesisError(TimbralError):
    """Speech that cannot be made: the samples are silent or not finite, or the stream is closed."""


class InstallationError(TimbralError):
    """A missing optional dependency."""


class SettingError(TimbralError):
    """A setting outside its range, such as a speed of zero."""


class TimbralWarning(UserWarning):
    """What a user should know although the work goes on, such as a noisy recording."""
