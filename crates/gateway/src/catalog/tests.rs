//! Catalogs from scripted offers.
