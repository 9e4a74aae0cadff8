//! May they? The only maker of [`Authorized`], without which nothing can be dispatched.

use trunkline_model::Fault;

/// Something that the rules allow.
#[derive(Debug)]
pub(crate) struct Authorized<T>(T);

impl<T> Authorized<T> {
    pub(crate) fn get(&self) -> &T {
        &self.0
    }

    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

/// Applies the rules. Until there are principals and policies, the view is the rule: what it shows may be used, and
/// `resolve` finds nothing else.
#[expect(clippy::unnecessary_wraps, reason = "policies refuse here; callers must be ready for it")]
pub(crate) fn authorize<T>(plan: T) -> Result<Authorized<T>, Fault> {
    Ok(Authorized(plan))
}
