/** Where packets of a connection come from and go to. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** Both as one text, by which the transport below the session tells peers apart. */
  readonly path: string;
}

export function peerAt(address: string, port: number): Peer {
  return { address, port, path: `${address}|${port}` };
}

/** The peer of a path that `peerAt` made. */
export function peerOf(path: string): Peer {
  const end = path.lastIndexOf("|");
  return { address: path.slice(0, end), port: Number(path.slice(end + 1)), path };
}
