import type { Statement } from '../../db/connection/database.ts';

export interface PriceBookRow {
  version: number;
  text: string;
  effective_at: number;
}

/** Serializes the loading of price books. */
export const lockPriceBooks: Statement = {
  name: 'lock_price_books',
  text: `select pg_advisory_xact_lock(hashtextextended('purser price books', 0))`,
};

/** The price book in effect, if its version is above $1. */
export const readPriceBookAfter: Statement = {
  name: 'read_price_book_after',
  text: `
    select version, text, effective_at from price_books
    where version > $1 order by version desc limit 1`,
};

/** $1 version. */
export const findPriceBook: Statement = {
  name: 'find_price_book',
  text: 'select version, text, effective_at from price_books where version = $1',
};

/** The newest version of this text. $1 SHA-256. */
export const findPriceBookText: Statement = {
  name: 'find_price_book_text',
  text: `
    select version, text, effective_at from price_books
    where sha256 = $1 order by version desc limit 1`,
};

/** $1 text, $2 its SHA-256. */
export const appendPriceBook: Statement = {
  name: 'append_price_book',
  text: `
    insert into price_books (version, text, sha256, effective_at)
    select coalesce(max(version), 0) + 1, $1, $2, date_trunc('milliseconds', clock_timestamp())
    from price_books
    returning version, text, effective_at`,
};
