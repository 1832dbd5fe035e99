-- Without links the chain begins anew.
DELETE FROM taquilla.cursors WHERE name = 'audit chain';
DROP TABLE taquilla.chain;
