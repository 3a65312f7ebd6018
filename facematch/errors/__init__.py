"""The errors of facematch: one tree, every leaf with a stable ``code`` and a hint.

::

    FacematchError
     ├─ InvalidArgument                invalid_argument        a parameter has the wrong type, shape or range
     ├─ MissingExtra                   missing_extra           an optional dependency is not installed
     ├─ ImageDecodeError               image_unreadable        a picture could not be turned into pixels
     │   ├─ ImageNotFound              image_not_found         no such file, or not a regular file
     │   ├─ ImageEmpty                 image_empty             zero bytes
     │   ├─ NotAnImage                 image_not_an_image      the bytes are in no supported picture format
     │   ├─ ImageTruncated             image_truncated         the file ends early or its data is damaged
     │   ├─ ImageTooLarge              image_too_large         over the limit on bytes or pixels
     │   └─ ImageUnsupported           image_unsupported       a picture, but of a kind that cannot be converted
     ├─ VideoError                     video_error             a recording could not be used
     │   ├─ VideoUnreadable            video_unreadable        cannot be opened, or has no video stream
     │   ├─ SourceUnknown              source_unknown          no registered source reads what was given
     │   └─ VideoWriteError            video_write_failed      the annotated video could not be written
     ├─ SinkError                      sink_failed             an alert could not be handed on
     ├─ ModelError                     model_error             model packs and the runtime below them
     │   ├─ PackNotFound               pack_not_found          no pack of that name, or no such folder
     │   ├─ ManifestInvalid            manifest_invalid        a pack's manifest is malformed or incomplete
     │   ├─ PackUnavailable            pack_unavailable        a pack's file is missing and could not be fetched
     │   ├─ PackCorrupt                pack_corrupt            a pack's file does not have the recorded digest
     │   ├─ LicenseError               license_forbidden       the pack's license forbids the configured use
     │   ├─ ConversionError            conversion_failed       a model file could not be rewritten for the runtime
     │   ├─ ProviderUnavailable        provider_unavailable    a requested execution provider is not there
     │   └─ InferenceError             inference_failed        the runtime failed while running a model
     │       └─ AnalyzerBusy           analyzer_busy           too many pictures wait for a shared analyzer
     ├─ ConsentError                   consent_error           governance refuses
     │   ├─ ConsentRequired            consent_required        no consent record in force for what was asked
     │   ├─ ConsentInvalid             consent_invalid         a consent record lacks or contradicts something
     │   ├─ ConsentTransitionError     consent_transition      the state machine has no such transition
     │   ├─ PurposeRequired            purpose_required        a search was asked for without a purpose
     │   ├─ PolicyRefused              policy_refused          a rule of the policy in force refuses; ``rule`` names it
     │   ├─ PolicyInvalid              policy_invalid          a policy document is malformed
     │   ├─ RecipientRefused           recipient_refused       the consent does not name this recipient
     │   ├─ ReferenceRestricted        reference_restricted    restricted until a complaint is decided
     │   ├─ ZoneClosed                 zone_closed             no capture basis, notice and assessment for the zone
     │   ├─ Suspended                  suspended               identification is suspended here
     │   └─ ReceiptInvalid             receipt_invalid         a receipt or certificate does not fit
     ├─ AccessError                    access_error            who may do what
     │   ├─ AccessDenied               access_denied           no role of the actor permits it
     │   ├─ SeparationOfDuties         separation_of_duties    another person has to do it
     │   └─ ApprovalNotFound           approval_not_found      nothing of that kind waits for an approval
     ├─ ThresholdError                 threshold_error         decision thresholds
     │   ├─ CalibrationInvalid         calibration_invalid     a calibration artifact is malformed or edited
     │   ├─ TooFewPeople               too_few_people          too few people to certify the error rate asked for
     │   ├─ ThresholdTooLow            threshold_too_low       a caller asked for less than the tested threshold
     │   └─ ThresholdRequired          threshold_required      the pack has no tested threshold
     ├─ ContractMismatch               contract_mismatch       vectors or thresholds of another embedding contract
     ├─ EnrollmentRefused              enrollment_refused      no picture could be used; ``refusals`` says why
     │   └─ QualityTooLow              quality_too_low         every picture failed the quality gate
     ├─ WatchlistError                 watchlist_error         the watchlist and its database
     │   ├─ SubjectNotFound            subject_not_found       no such subject
     │   ├─ DatabaseUnavailable        database_unavailable    cannot be opened, locked too long, or disk full
     │   │   └─ ErasureUnfinished      erasure_unfinished      erased, but the files are not rebuilt yet
     │   ├─ DatabaseCorrupt            database_corrupt        not a facematch database, or damaged
     │   ├─ DatabaseTooNew             database_too_new        written by a later version of facematch
     │   ├─ DatabaseUnsupported        database_unsupported    a database URL of a kind that is not supported
     │   ├─ WatchlistClosed            watchlist_closed        used after ``close()``
     │   ├─ AuditError                 audit_failed            the audit entry could not be written, so nothing was done
     │   ├─ AuditTampered              audit_tampered          the audit log is not what was written
     │   ├─ KeyUnavailable             key_unavailable         a key is missing, wrong or damaged
     │   ├─ VaultCorrupt               vault_corrupt           the vault of wrapped keys is damaged or foreign
     │   ├─ ErasureUnproven            erasure_unproven        something of an erased subject is still there
     │   └─ BackupInvalid              backup_invalid          no backup of this watchlist
     └─ VectorIndexError               index_error             a vector index was used against its rules

Unknown people, pictures without a face and passages without a candidate are results, not errors.
"""

from facematch.errors.hierarchy import (
    AccessDenied,
    AccessError,
    AnalyzerBusy,
    ApprovalNotFound,
    AuditError,
    AuditTampered,
    BackupInvalid,
    CalibrationInvalid,
    ConsentError,
    ConsentInvalid,
    ConsentRequired,
    ConsentTransitionError,
    ContractMismatch,
    ConversionError,
    DatabaseCorrupt,
    DatabaseTooNew,
    DatabaseUnavailable,
    DatabaseUnsupported,
    EnrollmentRefused,
    ErasureUnfinished,
    ErasureUnproven,
    FacematchError,
    ImageDecodeError,
    ImageEmpty,
    ImageNotFound,
    ImageTooLarge,
    ImageTruncated,
    ImageUnsupported,
    InferenceError,
    InvalidArgument,
    KeyUnavailable,
    LicenseError,
    ManifestInvalid,
    MissingExtra,
    ModelError,
    NotAnImage,
    PackCorrupt,
    PackNotFound,
    PackUnavailable,
    PictureRefusal,
    PolicyInvalid,
    PolicyRefused,
    ProviderUnavailable,
    PurposeRequired,
    QualityTooLow,
    ReceiptInvalid,
    RecipientRefused,
    ReferenceRestricted,
    SeparationOfDuties,
    SinkError,
    SourceUnknown,
    SubjectNotFound,
    Suspended,
    ThresholdError,
    ThresholdRequired,
    ThresholdTooLow,
    TooFewPeople,
    VaultCorrupt,
    VectorIndexError,
    VideoError,
    VideoUnreadable,
    VideoWriteError,
    WatchlistClosed,
    WatchlistError,
    ZoneClosed,
)

__all__ = [
    "AccessDenied",
    "AccessError",
    "AnalyzerBusy",
    "ApprovalNotFound",
    "AuditError",
    "AuditTampered",
    "BackupInvalid",
    "CalibrationInvalid",
    "ConsentError",
    "ConsentInvalid",
    "ConsentRequired",
    "ConsentTransitionError",
    "ContractMismatch",
    "ConversionError",
    "DatabaseCorrupt",
    "DatabaseTooNew",
    "DatabaseUnavailable",
    "DatabaseUnsupported",
    "EnrollmentRefused",
    "ErasureUnfinished",
    "ErasureUnproven",
    "FacematchError",
    "ImageDecodeError",
    "ImageEmpty",
    "ImageNotFound",
    "ImageTooLarge",
    "ImageTruncated",
    "ImageUnsupported",
    "InferenceError",
    "InvalidArgument",
    "KeyUnavailable",
    "LicenseError",
    "ManifestInvalid",
    "MissingExtra",
    "ModelError",
    "NotAnImage",
    "PackCorrupt",
    "PackNotFound",
    "PackUnavailable",
    "PictureRefusal",
    "PolicyInvalid",
    "PolicyRefused",
    "ProviderUnavailable",
    "PurposeRequired",
    "QualityTooLow",
    "ReceiptInvalid",
    "RecipientRefused",
    "ReferenceRestricted",
    "SeparationOfDuties",
    "SinkError",
    "SourceUnknown",
    "SubjectNotFound",
    "Suspended",
    "ThresholdError",
    "ThresholdRequired",
    "ThresholdTooLow",
    "TooFewPeople",
    "VaultCorrupt",
    "VectorIndexError",
    "VideoError",
    "VideoUnreadable",
    "VideoWriteError",
    "WatchlistClosed",
    "WatchlistError",
    "ZoneClosed",
]
