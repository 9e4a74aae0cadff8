//! The JSON-RPC error codes that the eras name.

/// JSON-RPC code of a missing resource in the legacy era.
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// JSON-RPC code for a header that disagrees with the body (modern).
pub const HEADER_MISMATCH: i64 = -32020;
/// JSON-RPC code for a capability that the client did not declare (modern).
pub const MISSING_CAPABILITY: i64 = -32021;
/// JSON-RPC code for a revision that is not spoken here (modern).
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// JSON-RPC code by which 2025-11-25 servers ask for a visit to a URL.
pub const URL_ELICITATION: i64 = -32042;
/// JSON-RPC "invalid request".
pub const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC "method not found".
pub const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC "invalid params".
pub const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC "internal error".
pub const INTERNAL: i64 = -32603;
