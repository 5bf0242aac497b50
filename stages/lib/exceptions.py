"""Everything textrail raises on purpose.

Each message says what was found, where, what was expected, and what to do.

TextrailError
├── ConfigError        a key or a value in params.yaml or source.yaml
├── SourceError        a source's folder, its files, the Hub, Kaggle
├── CleaningError      a cleaning step that cannot run here
├── EncoderError       an encoder that is missing, unverified or unusable
├── CheckpointError    a checkpoint that cannot be written
├── DeviceError        a device that training asks for and the machine lacks
├── DataError          data that a stage cannot work on, such as a single class
└── RunError           a revision, or what its run left behind, that cannot be read or compared
"""


class TextrailError(Exception):
    """Shown to the user as it stands, without a traceback."""


class ConfigError(TextrailError):
    """A key or a value in params.yaml or source.yaml."""


class SourceError(TextrailError):
    """A source's folder, its files, or the place it is fetched from."""


class CleaningError(TextrailError):
    """A cleaning step that cannot run here."""


class EncoderError(TextrailError):
    """An encoder that is missing, unverified or unusable."""


class CheckpointError(TextrailError):
    """A checkpoint that cannot be written."""


class DeviceError(TextrailError):
    """A device that training asks for and the machine lacks."""


class RunError(TextrailError):
    """A revision, or what its run left behind, that cannot be read or compared."""


class DataError(TextrailError):
    """Data that a stage cannot work on."""
