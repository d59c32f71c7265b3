import proxyAddr from '@fastify/proxy-addr';

/** Whether the machine at an address is a trusted proxy: then it is believed what it says of a client. */
export type IsTrusted = (address: string | undefined) => boolean;

/** Judges by a list of addresses and CIDRs, IPv4 and IPv6; an IPv4 address counts in IPv6's form too. */
export function trustOnly(proxies: readonly string[]): IsTrusted {
  if (proxies.length === 0) return () => false;
  const isListed = proxyAddr.compile([...proxies]);
  return (address) => address !== undefined && isListed(address, 0);
}
