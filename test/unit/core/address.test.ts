import { describe, expect, it } from "vitest";
import { isAddress, networkOf, shortenedAddress } from "../../../src/core/address.ts";

describe("networkOf", () => {
  it.each([
    ["203.0.113.7", "203.0.113.7"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::FFFF:cb00:7107", "203.0.113.7"],
    ["0:0:0:0:0:ffff:cb00:7107", "203.0.113.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002:ffff::1", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["255.249.199.99", "255.249.199.99"],
    ["01.2.3.004", "1.2.3.4"],
    ["1.2.3.4.", "unknown"],
    ["1.2.3.4\n", "unknown"],
    ["256.1.1.1", "unknown"],
    ["1.2.3", "unknown"],
    ["2001:db8::1%eth0", "unknown"],
    ["1.2.3.4, 5.6.7.8", "unknown"],
    [":::", "unknown"],
    ["", "unknown"],
    ["x]@evil", "unknown"],
  ])("counts %s as %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe("shortenedAddress", () => {
  it.each([
    ["203.0.113.7", "203.0.113.0/24"],
    ["::ffff:203.0.113.7", "203.0.113.0/24"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
    ["2001:db8:1:2::/64", "2001:db8:1::/48"],
    ["unknown", "unknown/0"],
  ])("keeps of %s only %s", (address, shortened) => {
    expect(shortenedAddress(address)).toBe(shortened);
  });
});

describe("isAddress", () => {
  it.each(["127.0.0.1", "[::1]", "::1"])("knows %s", (text) => expect(isAddress(text)).toBe(true));
  it.each(["localhost", "example.com", "1.2.3.4.5"])("knows %s is none", (text) =>
    expect(isAddress(text)).toBe(false),
  );
});
