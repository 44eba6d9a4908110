-- 订单表 Orders
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    amount NUMERIC NOT NULL -- 金额
);

CREATE INDEX orders_amount ON orders (amount);
