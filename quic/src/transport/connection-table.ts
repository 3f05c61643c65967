import type { HostPort } from "./address.ts";
import { keyOf } from "./connection-id.ts";
import type { QuicheConnection } from "./quiche-connection.ts";

/** The connections of an endpoint, and by which id packets find them. */
export class ConnectionTable implements Iterable<QuicheConnection> {
  private readonly all = new Set<QuicheConnection>();
  private readonly byKey = new Map<string, QuicheConnection>();
  private takenInCount = 0;

  /** Those that linger after their end included. */
  get size(): number {
    return this.all.size;
  }

  get ids(): number {
    return this.byKey.size;
  }

  /** That were taken in and have not ended. */
  get takenIn(): number {
    return this.takenInCount;
  }

  [Symbol.iterator](): Iterator<QuicheConnection> {
    return this.all.values();
  }

  add(connection: QuicheConnection): void {
    this.all.add(connection);
    if (!connection.dialler) this.takenInCount += 1;
  }

  /** From now on packets for this id are for the connection. */
  register(connection: QuicheConnection, id: Uint8Array): void {
    connection.key = keyOf(id);
    this.byKey.set(connection.key, connection);
  }

  find(key: string): QuicheConnection | undefined {
    return this.byKey.get(key);
  }

  /** Those we began with a peer. */
  *dialledTo({ host, port }: HostPort): Iterable<{ connection: QuicheConnection; key: string }> {
    for (const connection of this.all) {
      const { key, dialler } = connection;
      if (key !== undefined && dialler && connection.isFrom(host, port)) yield { connection, key };
    }
  }

  ended(connection: QuicheConnection): void {
    if (!connection.dialler) this.takenInCount -= 1;
  }

  remove(connection: QuicheConnection): void {
    this.all.delete(connection);
    if (connection.key !== undefined) this.byKey.delete(connection.key);
  }
}
