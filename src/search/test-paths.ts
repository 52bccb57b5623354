import { splitIdentifiers } from "../core/identifiers.ts";

/** `test/`, `__tests__/`, `spec/`, `testdata/`; `a.test.ts`, `a_test.go`, `test_a.py`, `conftest.py`, `ATest.java`. */
const TEST_FILE =
  /(?:^|\/)(?:__tests__|tests?|specs?|e2e|testdata|fixtures?|__mocks__)\/|(?:^|\/)(?:test_[^/]*|conftest|tests?)\.[^./]+$|[._-](?:tests?|spec)\.[^/]+$|[\p{Ll}\p{N}]Tests?\.[^./]+$/u;
const WORDS_OF_TESTS =
  /^(?:e2e|fixtures?|mock(?:s|ed|ing)?|specs?|stubs?|test(?:s|ed|ing)?|conftest|testdata)$/;

export function isTest(path: string): boolean {
  return TEST_FILE.test(path);
}

/** Whether a query, or a path to which it is restricted, names tests: `what tests cover parsing`, `test_client`. */
export function speaksOfTests(text: string): boolean {
  return splitIdentifiers(text).some((word) => WORDS_OF_TESTS.test(word));
}
