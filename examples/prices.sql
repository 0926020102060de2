-- What is in output.jsonl: duckdb < examples/prices.sql
select
    record.data.stock_ticker as ticker,
    count(*) as bars,
    min(record.data.date) as first_session,
    max(record.data.date) as last_session,
    arg_max(record.data.price, record.data.date) as last_price
from read_json(
    'output.jsonl',
    columns = {
        type: 'varchar',
        record: 'struct(stream varchar, data struct(stock_ticker varchar, date date, price double))'
    }
)
where type = 'RECORD' and record.stream = 'stock_prices'
group by ticker
order by ticker;
