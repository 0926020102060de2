-- Views to alert on, over the tables `stock_prices`, `stock_splits` and `findings`. Each lists what a person should look
-- at now: an alert is a view that has a row. Runs on DuckDB and PostgreSQL, on tables written with *Append* as well.
--
-- Without the stream stock_splits, leave out the `not exists` that names it.

-- Tickers whose last bar is older than the newest session in the table, and tickers without any bar, with the last thing
-- that was found of them. One session can be normal: a vendor may be late with a ticker.
create or replace view tickers_behind as
with bars as (
    select stock_ticker, max(date) as last_session
    from stock_prices
    group by stock_ticker
),

found as (
    select
        *,
        row_number() over (partition by stock_ticker order by found_at desc, date desc) as nth
    from findings
    where stream = 'stock_prices'
        and kind in ('not read', 'ticker gone', 'ticker unknown', 'cut by the plan')
        and stock_ticker <> '*'
),

known as (
    select stock_ticker from bars
    union
    select stock_ticker from found
),

sessions as (
    select distinct date from stock_prices
)

select
    known.stock_ticker,
    bars.last_session,
    count(sessions.date) as sessions_behind,
    found.kind,
    found.detail,
    found.found_at
from known
left join bars on bars.stock_ticker = known.stock_ticker
left join found on found.stock_ticker = known.stock_ticker and found.nth = 1
left join sessions on bars.last_session is null or sessions.date > bars.last_session
group by known.stock_ticker, bars.last_session, found.kind, found.detail, found.found_at
having count(sessions.date) > 1;

-- Closes at least 1.8 times the one before, or at most 1 / 1.8 of it, that are still in the table and that no split
-- explains: neither one in the row, nor one of about this ratio in stock_splits.
create or replace view unexplained_jumps as
select
    jump.stock_ticker,
    jump.date,
    cast(jump.old as double precision) as close_before,
    cast(jump.new as double precision) as close,
    max(jump.found_at) as found_at
from findings as jump
where jump.kind = 'price jump'
    and exists (
        select 1 from stock_prices as bar
        where bar.stock_ticker = jump.stock_ticker
            and bar.date = jump.date
            and abs(bar.close / cast(jump.new as double precision) - 1) < 1e-6
    )
    and not exists (
        select 1 from stock_splits as split
        where split.stock_ticker = jump.stock_ticker
            and split.date > jump.date - 7 and split.date <= jump.date
            and split.cancelled is not true
            and split.ratio * cast(jump.new as double precision) / cast(jump.old as double precision) between 0.6 and 1.6
    )
group by jump.stock_ticker, jump.date, jump.old, jump.new;

-- Sessions that a vendor has no bar for, and had none until now. `last_told` is when the log named one last: first when
-- it was missed, then when it left the recheck window and is not asked for any more.
create or replace view open_holes as
select
    hole.stock_ticker,
    hole.date,
    min(hole.found_at) as first_told,
    max(hole.found_at) as last_told
from findings as hole
where hole.kind = 'missing session'
    and not exists (
        select 1 from stock_prices as bar
        where bar.stock_ticker = hole.stock_ticker and bar.date = hole.date
    )
group by hole.stock_ticker, hole.date;
