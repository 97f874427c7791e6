/** Which addresses an endpoint may be at, judged when a connection is made: a name that is bound anew is judged anew. */
import { type LookupAddress, lookup as resolveName } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { buildConnector } from "undici";

/** A connection that was not made since its address is not public and not allowed. */
export class AddressRefusedError extends Error {
  override readonly name = "AddressRefusedError";
  /** As errors of Node's sockets have one. */
  readonly code = "EADDRREFUSED";
}

/** Public by its range, yet the metadata service of a cloud. */
const METADATA = new Set(["168.63.129.16"]);

/** True for an address in the public internet, or in one of the networks (CIDR). */
export function isAllowedAddress(address: string, allow: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  // An IPv4 address in IPv6 clothes is judged as what it is.
  const parsed = ipaddr.process(address);
  const isListed = allow.some((network) => {
    const [base, bits] = ipaddr.parseCIDR(network);
    return base.kind() === parsed.kind() && parsed.match([base, bits]);
  });
  return isListed || (parsed.range() === "unicast" && !METADATA.has(parsed.toString()));
}

/**
 * A connector for undici that reaches allowed addresses alone. A URL of this machine reaches this machine and nothing
 * else; any other never does, unless allowed.
 */
export function createGuardedConnector(
  url: string,
  { allow, lookup = resolveName }: { readonly allow: readonly string[]; readonly lookup?: typeof resolveName },
): buildConnector.connector {
  const { hostname } = new URL(url);
  const isLocal = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u.test(hostname);
  const isAllowed = (address: string): boolean => (isLocal ? isLoopback(address) : isAllowedAddress(address, allow));
  const connect = buildConnector({ lookup: createGuardedLookup(lookup, isAllowed) });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/gu, "");
    // The connector looks no address up.
    if (isIP(host) !== 0 && !isAllowed(host)) {
      callback(refuse(host, host), null);
      return;
    }
    connect(options, callback);
  };
}

function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "loopback";
}

function createGuardedLookup(lookup: typeof resolveName, isAllowed: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, "");
      const refused = addresses.find(({ address }) => !isAllowed(address));
      // One bad address among good ones is how a guard is walked round.
      if (refused !== undefined) return callback(refuse(hostname, refused.address), "");
      return answer(addresses, options.all === true, callback);
    });
  };
}

function answer(addresses: readonly LookupAddress[], all: boolean, callback: Parameters<LookupFunction>[2]): void {
  const [first] = addresses;
  if (all) callback(null, [...addresses]);
  else callback(null, first?.address ?? "", first?.family);
}

function refuse(host: string, address: string): AddressRefusedError {
  const where = host === address ? address : `${host} is at ${address}, which`;
  return new AddressRefusedError(
    `${where} is not a public address; if the endpoint belongs there, write allow: ["${suggestNetwork(address)}"] at it in the configuration`,
  );
}

function suggestNetwork(address: string): string {
  return `${address}/${isIP(address) === 6 ? 128 : 32}`;
}
