import type { Channel, Link } from "../link/link.ts";

/** A link like another one but for its channels: `wrap` gets each channel as often as somebody asks for it. */
export function wrappedLink(link: Link, wrap: (channel: Channel) => Channel): Link {
  return {
    peer: link.peer,
    generation: link.generation,
    closed: link.closed,
    maxDatagramBytes: link.maxDatagramBytes,
    speaks: (type) => link.speaks(type),
    sendDatagram: (bytes) => link.sendDatagram(bytes),
    onDatagram: (handler) => link.onDatagram(handler),
    close: (reason) => link.close(reason),
    channel: (name, options) => wrap(link.channel(name, options)),
  };
}
