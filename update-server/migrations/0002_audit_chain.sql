-- Each line's hash over itself and the line before; none in lines that were written before this.

ALTER TABLE audit ADD COLUMN link TEXT;
