import { isIP } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';

/** Whether an address is that of a trusted proxy, whose headers about its client count. */
export type IsTrusted = (address: string | undefined) => boolean;

/** Trusts a list of addresses and CIDRs. An IPv4 address also matches in its IPv6 form. */
export function trustOnly(proxies: readonly string[]): IsTrusted {
  if (proxies.length === 0) return () => false;
  const isListed = proxyAddr.compile([...proxies]);
  return (address) => address !== undefined && isListed(address, 0);
}

/**
 * The part of an address that one client has for itself: all of IPv4, the first 64 bits of IPv6.
 * Undefined: the text is no address.
 */
export function networkOf(text: string): string | undefined {
  if (isIP(text) === 0) return undefined;
  const address = ipaddr.process(text);
  if (address instanceof ipaddr.IPv4) return address.toString();
  const network = address.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
