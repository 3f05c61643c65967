/** A client sends an initiate again when there is no answer after this long, then after twice the time. */
export const INITIATE_RESEND_MS = 250;

/** How often a client sends an initiate in all, without a cookie and again with one. */
export const INITIATE_TRIES = 5;
