/** Numbers of messages that the transport itself has to know (docs/protocol.md, section 3). */

export const HELLO_NUMBER = 1;
export const INPUT_NUMBER = 5;
/** The same number in the other direction. */
export const WELCOME_NUMBER = 5;

/** A message is a CBOR array of few elements, so its number stands in the second byte; -1 when there is none. */
export function messageNumber(item: Uint8Array): number {
  return item[1] ?? -1;
}
