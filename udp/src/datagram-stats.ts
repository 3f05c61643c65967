/** What connections counted since they began; plain numbers, read for metrics. */
export interface DatagramStats {
  packetsIn: number;
  packetsOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Packets that were not genuine, or malformed in front of their sealed part. */
  packetsRefused: number;
  /** Genuine packets that had come before, or were too old to tell. */
  packetsRepeated: number;
  /** Sent packets that were declared lost. */
  packetsLost: number;
  /** Packets that were declared lost and acknowledged after that. */
  packetsLostInVain: number;
  /** Bytes of the stream that were sent again. */
  streamBytesRepeated: number;
  /** Genuine packets that went unacknowledged because the stream's window was full. */
  packetsUnkept: number;
  /** Probes sent because acknowledgements stayed out. */
  probes: number;
  /** Server: updates that were lost or found no room. */
  updatesLost: number;
  /** Client: updates of an earlier welcome, dropped. */
  updatesOutdated: number;
  /** Client: updates of a later welcome that were dropped, because too many waited for it. */
  updatesOverflowed: number;
  /** Client: inputs that went in a packet a second time or more often. */
  inputsRepeated: number;
  /** Client: inputs that gave way to newer ones before they went out once. */
  inputsDisplaced: number;
  /** Server: inputs that had come before, or came behind a newer one. */
  inputsDuplicate: number;
  /** Server: inputs of an earlier hello, or before the first welcome. */
  inputsOutdated: number;
  /** Server: challenges sent to a new path. */
  challenges: number;
  /** Server: times the connection moved to a new path. */
  moves: number;
}

/** All at 0. */
export function newDatagramStats(): DatagramStats {
  return {
    packetsIn: 0,
    packetsOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    packetsRefused: 0,
    packetsRepeated: 0,
    packetsLost: 0,
    packetsLostInVain: 0,
    streamBytesRepeated: 0,
    packetsUnkept: 0,
    probes: 0,
    updatesLost: 0,
    updatesOutdated: 0,
    updatesOverflowed: 0,
    inputsRepeated: 0,
    inputsDisplaced: 0,
    inputsDuplicate: 0,
    inputsOutdated: 0,
    challenges: 0,
    moves: 0,
  };
}
