DROP TABLE evidence;
DROP TABLE claims;
DROP TABLE api_keys;
