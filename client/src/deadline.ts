/** A deadline that is not set. Deadlines are milliseconds of the clock that steps are given. */
export const NEVER = Number.POSITIVE_INFINITY;
