-- Raw prices, splits and dividends in; prices comparable across both out. Runs on DuckDB and PostgreSQL.
--
-- An event counts from the session of its ex-date on: prices before it are divided by the ratio of a split, and lose the
-- share of the last close before it that a dividend pays. An announced event whose session is to come does not count yet.
with sessions as (
    select *, lag(close) over (partition by stock_ticker order by date) as close_before
    from stock_prices
    where adjustment = 'raw'
),

paid as (
    select stock_ticker, date, sum(amount) as amount
    from dividends
    group by stock_ticker, date
),

steps as (
    select
        p.*,
        coalesce(s.ratio, 1) as ratio,
        1 - coalesce(d.amount, 0) * coalesce(s.ratio, 1) / p.close_before as kept
    from sessions as p
    left join stock_splits as s on s.stock_ticker = p.stock_ticker and s.date = p.date
    left join paid as d on d.stock_ticker = p.stock_ticker and d.date = p.date
),

factors as (
    select
        *,
        coalesce(exp(sum(ln(ratio)) over later), 1) as later_splits,
        coalesce(exp(sum(ln(kept)) over later), 1) as later_dividends
    from steps
    window later as (
        partition by stock_ticker order by date
        rows between 1 following and unbounded following
    )
)

select
    stock_ticker,
    date,
    close,
    close / later_splits as close_adjusted_for_splits,
    close / later_splits * later_dividends as close_adjusted_for_all,
    volume * later_splits as volume_adjusted_for_splits
from factors
order by stock_ticker, date
