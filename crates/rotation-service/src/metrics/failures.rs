//! Why commits fail, as a closed set of labels: other codes are in the log only.
//!
//! Each has its series from the start, so that the first failure is an increase.

use rdkafka::types::RDKafkaErrorCode;

const CODES: &[RDKafkaErrorCode] = &[
    RDKafkaErrorCode::AllBrokersDown,
    RDKafkaErrorCode::BrokerTransportFailure,
    RDKafkaErrorCode::ConcurrentTransactions,
    RDKafkaErrorCode::CoordinatorLoadInProgress,
    RDKafkaErrorCode::CoordinatorNotAvailable,
    RDKafkaErrorCode::IllegalGeneration,
    RDKafkaErrorCode::InvalidProducerEpoch,
    RDKafkaErrorCode::MessageSizeTooLarge,
    RDKafkaErrorCode::MessageTimedOut,
    RDKafkaErrorCode::NotEnoughReplicas,
    RDKafkaErrorCode::OperationTimedOut,
    RDKafkaErrorCode::RebalanceInProgress,
    RDKafkaErrorCode::RequestTimedOut,
    RDKafkaErrorCode::TopicAuthorizationFailed,
    RDKafkaErrorCode::TransactionalIdAuthorizationFailed,
    RDKafkaErrorCode::UnknownMemberId,
];

/// The label of every other failure.
pub(super) const OTHER: &str = "Other";

/// Every label.
pub(super) fn labels() -> impl Iterator<Item = String> {
    CODES
        .iter()
        .map(|code| format!("{code:?}"))
        .chain([OTHER.to_owned()])
}
