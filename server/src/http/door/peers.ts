import { isIP } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';

/** Whether the machine at an address is a trusted proxy: then it is believed what it says of a client. */
export type IsTrusted = (address: string | undefined) => boolean;

/** Judges by a list of addresses and CIDRs, IPv4 and IPv6; an IPv4 address counts in IPv6's form too. */
export function trustOnly(proxies: readonly string[]): IsTrusted {
  if (proxies.length === 0) return () => false;
  const isListed = proxyAddr.compile([...proxies]);
  return (address) => address !== undefined && isListed(address, 0);
}

/**
 * What one client has for itself: an address of IPv4, or the 64 bits of a network of IPv6. Undefined: the
 * text is no address.
 */
export function networkOf(text: string): string | undefined {
  if (isIP(text) === 0) return undefined;
  const address = ipaddr.process(text);
  if (address instanceof ipaddr.IPv4) return address.toString();
  const network = address.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
