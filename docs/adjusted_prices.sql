-- Adjusts raw prices for splits and dividends, so that they are comparable across both. Runs on DuckDB and PostgreSQL.
--
-- An event takes effect in the first session on or after its ex-date. A split divides all earlier prices by its ratio.
-- A dividend lowers all earlier prices by its share of the last close before it. Announced events whose session has not
-- happened yet are ignored. Dividends must be in the currency of the prices.
with sessions as (
    select
        *,
        lag(close) over past as close_before,
        lag(date) over past as date_before
    from stock_prices
    where adjustment = 'raw'
    window past as (partition by stock_ticker order by date)
),

events as (
    select stock_ticker, date, ratio, 0 as amount from stock_splits
    union all
    select stock_ticker, date, 1 as ratio, amount from dividends
),

steps as (
    select
        p.stock_ticker,
        p.date,
        p.close,
        p.volume,
        coalesce(exp(sum(ln(e.ratio))), 1) as ratio,
        1 - coalesce(sum(e.amount) * exp(sum(ln(e.ratio))) / p.close_before, 0) as kept
    from sessions as p
    left join events as e
        on e.stock_ticker = p.stock_ticker and e.date > p.date_before and e.date <= p.date
    group by p.stock_ticker, p.date, p.close, p.volume, p.close_before
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
