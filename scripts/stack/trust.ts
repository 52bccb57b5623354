import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { connect, getCACertificates, setDefaultCACertificates } from "node:tls";
import type { Child } from "./child.ts";

const POLL_MS = 100;

/**
 * Lets this process, and no other, take the certificate that the child serves on the loopback interface: it is
 * self-signed. Returns without it when the child has ended.
 */
export async function trustLocalCertificate(child: Child, port: number): Promise<void> {
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  while (!over) {
    const certificate = await servedCertificate(port);
    if (certificate !== null) {
      setDefaultCACertificates([...getCACertificates("default"), certificate]);
      return;
    }
    await setTimeout(POLL_MS);
  }
}

/** In PEM; null while nothing listens. */
async function servedCertificate(port: number): Promise<string | null> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect");
    return new X509Certificate(socket.getPeerCertificate(true).raw).toString();
  } catch {
    return null;
  } finally {
    socket.destroy();
  }
}
